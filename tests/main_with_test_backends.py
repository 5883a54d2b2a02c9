"""main.py with the backends of tests/broken_backends.py beside its own."""

from backend import BACKENDS
from main import command
from tests.broken_backends import ENTRIES

for name, entry in ENTRIES.items():
    BACKENDS.register(name, entry)

if __name__ == "__main__":
    command()
