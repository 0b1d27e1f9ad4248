# The service alone: no embedded Postgres, no development tools. Needs at least
#   LEADFEED_DATABASE_URL=postgresql://…   LEADFEED_JWT_SECRET=<32 or more random characters>   LEADFEED_PUBLIC_URL=https://…
# First `docker run … IMAGE migrate`, then `docker run … IMAGE` for the service; IMAGE takes every command that leadfeed has.

FROM python:3.11-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /app
RUN python -m venv .venv
# Dependencies before the code: this layer is rebuilt only when a lock file changes.
COPY requirements/runtime.txt requirements/build.txt requirements/
RUN .venv/bin/pip install --require-hashes --requirement requirements/runtime.txt --requirement requirements/build.txt
COPY pyproject.toml README.md LICENSE ./
COPY src src
# What only installs is then taken out again.
RUN .venv/bin/pip install --no-deps --no-build-isolation . \
 && .venv/bin/pip uninstall --yes setuptools pip

FROM python:3.11-slim-bookworm
RUN useradd --system --user-group --no-create-home --shell /usr/sbin/nologin leadfeed \
 && install --directory --owner leadfeed --group leadfeed /var/lib/leadfeed
COPY --from=build /app/.venv /app/.venv
WORKDIR /app
ENV PATH=/app/.venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 LEADFEED_LOG_FORMAT=json LEADFEED_DATA_DIR=/var/lib/leadfeed
USER leadfeed
EXPOSE 8000
# No HEALTHCHECK: this image runs every command, on any port, and only `serve` has something to ask: /healthz says that
# the process lives, /readyz that it can serve. Where Docker itself is to watch it, `docker run --health-cmd` takes
#   python -c "import http.client as h; c = h.HTTPConnection('127.0.0.1', 8000, 2); c.request('GET', '/healthz'); exit(c.getresponse().status != 200)"
# No shell in between: SIGTERM reaches the service, which drains its streams.
ENTRYPOINT ["leadfeed"]
CMD ["serve", "--host", "0.0.0.0"]
