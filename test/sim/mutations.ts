import type { Mutation } from "./world.ts";
export const MUTATIONS: Record<string, Mutation> = {};
