/** The package's version, in one place; a test compares it with package.json and the manifest. */
export const VERSION = "1.0.0";
