/** Thrown when the deployment lacks a setting; the sentence says which. Everything else that is wrong is a refusal. */
export class Misconfigured extends Error {}
