/** Lets the objects of durable/ be loaded outside workerd: `cloudflare:workers` becomes the simulator's own platform. */
import { registerHooks } from "node:module";

registerHooks({
  resolve(specifier, context, next) {
    if (specifier === "cloudflare:workers")
      return { url: new URL("platform.ts", import.meta.url).href, shortCircuit: true };
    return next(specifier, context);
  },
});
