# One image for every part of the hub and for agents. The console is built in the first stage, so that the second needs no Node.
FROM node:22-bookworm-slim AS console
WORKDIR /src/hub/console
COPY hub/console/package.json hub/console/package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY hub /src/hub
RUN npm run build

FROM python:3.11-slim-bookworm
# The user has the id of the Mosquitto image's, so that hub and broker can read the broker's files; nobody else can.
RUN useradd --system --uid 1883 --create-home tocsin \
 && install -d -o tocsin -g tocsin -m 0700 /var/lib/tocsin /broker /agent
WORKDIR /opt/tocsin
COPY . .
COPY --from=console /src/hub/web/static/console hub/web/static/console
RUN pip install --no-cache-dir -c constraints.txt '.[hub]'
USER tocsin
ENTRYPOINT ["tocsin"]
CMD ["up"]
