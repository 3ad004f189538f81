#!/bin/sh
# Everything that can be known without running the product: types, style, import law, and that it bundles.
set -eu
export WRANGLER_SEND_METRICS=false CLOUDFLARE_CF_FETCH_ENABLED=false
echo "page"      && node worker/page/build.mjs
echo "bindings"  && wrangler types --include-runtime=false worker-configuration.d.ts --check >/dev/null
echo "types"     && for project in contract worker worker/page client-plugin test test/page test/sim test/stack/s3 test/time/worker test/durable; do
  if [ -f "$project/tsconfig.json" ]; then tsc -p "$project"; fi
done
echo "style"     && biome ci --error-on-warnings --reporter=summary .
echo "imports"   && depcruise --config .dependency-cruiser.cjs contract durable worker client-plugin 2>/dev/null
echo "bundle"    && wrangler deploy --dry-run --minify --outdir dist >/dev/null
