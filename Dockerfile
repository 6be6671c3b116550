# One image for every process of the system; docker-compose.yml says which one a container runs, and how
# its health is asked for.
#
# The programs are built (docs/decisions/0049), so that the image holds of the installed packages only those
# that have files of their own to read.
#
# What changes seldom comes first: a changed source rebuilds the last layer, and needs no network.

FROM node:26.10.0-slim AS pnpm
ENV CI=true
RUN npm install --global --no-audit --no-fund pnpm@12.21.0
WORKDIR /app

# pnpm checks the lockfile against the manifest of every package.
FROM pnpm AS manifests
COPY . .
RUN find . -type f ! -name package.json ! -name "pnpm-*.yaml" -delete && find . -type d -empty -delete

FROM pnpm AS fetched
COPY pnpm-lock.yaml pnpm-workspace.yaml ./
# A filtered install would leave in place what it finds.
RUN pnpm fetch && rm -rf node_modules
COPY --from=manifests /app ./

# What the programs are built from and with, with a list of it.
FROM fetched AS built
RUN set -- --filter "./services/*..." --filter "@gofermart/operator..." --filter "@gofermart/scoring-simulator..." \
 && pnpm install --offline --frozen-lockfile --ignore-scripts "$@" --filter gofermart --filter @gofermart/bundle \
 && pnpm sbom --sbom-format cyclonedx --sbom-type application --prod --out sbom.cdx.json "$@"
COPY prisma.config.ts ./
COPY prisma/schema.prisma prisma/
RUN node node_modules/prisma/build/index.js generate
COPY packages packages
COPY services services
RUN node packages/bundle/src/main.ts

# What the built programs still need beside them.
FROM fetched AS installed
RUN pnpm install --offline --frozen-lockfile --ignore-scripts --prod --filter @gofermart/bundle

FROM node:26.10.0-slim
# Nothing is installed in a container. An empty volume mounted at the last folder takes over its owner.
RUN rm -rf /usr/local/lib/node_modules /usr/local/bin/npm /usr/local/bin/npx /usr/local/bin/corepack \
      /usr/local/bin/yarn* /opt/yarn* \
 && install -d -o 1000 -g 1000 -m 0700 /var/lib/scoring-simulator
ENV NODE_ENV=production
WORKDIR /app
# Root owns every file: the processes cannot change what they run.
COPY --from=installed /app/package.json ./
COPY --from=installed /app/node_modules node_modules
COPY --from=installed /app/packages/bundle packages/bundle
COPY --from=built /app/sbom.cdx.json ./
COPY --from=built /app/packages/bundle/dist/packages packages/bundle/dist/packages
COPY deploy/stoppable.sh deploy/
COPY prisma/migrations prisma/migrations
COPY --from=built /app/packages/bundle/dist/*.js packages/bundle/dist/
# A number, as Kubernetes' runAsNonRoot asks for.
USER 1000:1000
CMD ["deploy/stoppable.sh", "node", "packages/bundle/dist/api.js"]
ARG VERSION=unversioned
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Gofermart" \
      org.opencontainers.image.description="A loyalty-points system: orders go in, points come out." \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
