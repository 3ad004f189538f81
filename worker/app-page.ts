/**
 * Serves the browser view's files (worker/page/, bundled by its build.mjs) under headers that let them do nothing but their work:
 * own script and style only, no inline, no frame, and no host to speak to but this one and the stores that hold the objects.
 */
export interface PageFile {
  readonly type: string;
  readonly text: string;
}

/** By name under `/app/`; the page itself is `index.html`. */
export type PageFiles = Readonly<Record<string, PageFile>>;

export function pageResponse(files: PageFiles, name: string, storeOrigins: readonly string[]): Response | undefined {
  const file = Object.hasOwn(files, name) ? files[name] : undefined;
  if (!file) return undefined;
  const page = name === "index.html";
  return new Response(file.text, {
    headers: {
      "content-type": file.type,
      // All but the page carry a hash of their content in their name.
      "cache-control": page ? "no-store" : "public, max-age=31536000, immutable",
      "content-security-policy": page ? policyOf(storeOrigins) : "default-src 'none'",
      "x-content-type-options": "nosniff",
      "x-frame-options": "DENY",
      "referrer-policy": "no-referrer",
      "cross-origin-opener-policy": "same-origin",
      "cross-origin-resource-policy": "same-origin",
      "permissions-policy": "camera=(), geolocation=(), microphone=(), usb=(), display-capture=()",
    },
  });
}

/** Previews are images and sound made in the page (`blob:`); nothing stored is ever a document, a script or a style of ours. */
function policyOf(storeOrigins: readonly string[]): string {
  return [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' blob:",
    "media-src blob:",
    `connect-src 'self' ${storeOrigins.join(" ")}`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join("; ");
}
