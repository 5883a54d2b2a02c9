# Runs main.py; model files are made outside (prepare.py), or bring your own.
#   docker build -t mlperf-benchmark .
#   docker run --rm -v …:/data:ro -v …:/output mlperf-benchmark --profile … (see README.md)
FROM python:3.11-slim-bookworm

# The benchmark needs no root, and results shall belong to a user.
RUN useradd --create-home --uid 1000 benchmark \
    && install -d -o benchmark /app /data /output

# A layer of its own: code changes more often than dependencies.
COPY requirements.txt /app/
RUN pip install --no-cache-dir -r /app/requirements.txt

COPY --chown=benchmark . /app
USER benchmark
# Paths on the command line are relative to /output, where results and the cache go by default.
WORKDIR /output
ENV PYTHONDONTWRITEBYTECODE=1
VOLUME ["/data", "/output"]
ENTRYPOINT ["python3", "/app/main.py"]
