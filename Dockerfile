# syntax=docker/dockerfile:1
# One image for all our processes: the command says which (gateway, worker, issuer, migrate ...).
FROM python:3.11.14-slim-bookworm AS packages
COPY requirements.lock .
RUN python -m venv /opt/fiks \
    && /opt/fiks/bin/pip install --no-cache-dir --no-deps --require-hashes -r requirements.lock

FROM python:3.11.14-slim-bookworm
# The folders are made here so that a named volume mounted on one belongs to the user.
RUN useradd --system --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin fiks \
    && install -d -o fiks -g fiks /var/lib/fiks /var/lib/fiks-keys /var/lib/fiks-tls
COPY --from=packages /opt/fiks /opt/fiks
COPY schemas /app/schemas
COPY streams /app/streams
COPY projections /app/projections
COPY infra /app/infra
COPY gateway /app/gateway
COPY clients/python/fiks_cms /app/fiks_cms
ENV PATH=/opt/fiks/bin:$PATH PYTHONPATH=/app PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 FIKS_STATE=/var/lib/fiks
WORKDIR /app
USER 10001:10001
EXPOSE 8080 8443 5671
ENTRYPOINT ["python", "-m", "gateway.cli"]
CMD ["gateway"]
