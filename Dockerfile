# One image for every process: `docker run atoll orders serve --host 0.0.0.0`.
# Which project it is, and all its secrets, come from the command line and the environment.

FROM python:3.11-slim-bookworm AS packages
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/venv
# Before the code, so that a change of code does not install everything again.
COPY requirements/base.txt .
RUN /opt/venv/bin/pip install -r base.txt

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin atoll
COPY --from=packages /opt/venv /opt/venv
WORKDIR /app
COPY manage.py projects.toml ./
# Workers are held to the names in it.
COPY docs/asyncapi.json docs/asyncapi.json
COPY platform platform
COPY services services
COPY gateway gateway
COPY registry registry
# ATOLL_HOME holds a developer's engines and secrets; in a container the last answers of the registry
# and the keys of users, for the time when those are away.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    MALLOC_ARENA_MAX=2 \
    ATOLL_ROOT=/app \
    ATOLL_HOME=/tmp \
    HOME=/tmp \
    ATOLL_ENV=production
# Now, since the account that runs it may not write.
RUN python -m compileall -q .
USER atoll
# Without a shell in between, so that SIGTERM reaches the process, which drains.
ENTRYPOINT ["python", "manage.py"]
CMD ["help"]
