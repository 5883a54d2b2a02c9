# Two images; docs/container.md shows both.
#   docker build -t mlperf-benchmark .                            runs main.py: the default, and small
#   docker build --target prepare -t mlperf-benchmark-prepare .   every command, with torch
FROM python:3.11-slim-bookworm AS base

# The benchmark needs no root, and results shall belong to a user.
RUN useradd --create-home --uid 1000 benchmark \
    && install -d -o benchmark /app /data /output

# A layer of its own: code changes more often than dependencies.
COPY requirements.txt /app/
RUN pip install --no-cache-dir -r /app/requirements.txt

# Paths on the command line are relative to /output, where results and the cache go by default.
WORKDIR /output
ENV PYTHONDONTWRITEBYTECODE=1
VOLUME ["/data", "/output"]


FROM base AS prepare

# Links what TVM compiles.
RUN apt-get update \
    && apt-get install -y --no-install-recommends g++ \
    && rm -rf /var/lib/apt/lists/*

# torch's CPU build: the default one brings gigabytes of CUDA packages.
ARG PIP_ARGUMENTS="--extra-index-url https://download.pytorch.org/whl/cpu"
COPY requirements-prepare.txt requirements-no-deps.txt /app/
RUN pip install --no-cache-dir $PIP_ARGUMENTS \
        -r /app/requirements.txt -r /app/requirements-prepare.txt \
    && pip install --no-cache-dir --no-deps -r /app/requirements-no-deps.txt

COPY --chown=benchmark . /app
# The console scripts: mlperf-prepare, mlperf-compare and the others.
RUN pip install --no-cache-dir --no-deps --editable /app
USER benchmark
CMD ["mlperf-benchmark", "--help"]


FROM base AS run

COPY --chown=benchmark . /app
USER benchmark
ENTRYPOINT ["python3", "/app/main.py"]
