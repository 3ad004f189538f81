/** What each tool takes, once: the JSON Schema that a model sees is made from what `execute` checks with. */
import * as z from "zod";
import { AgentId, IdempotencyKey, ObjectKey, Region } from "#contract/fields";
import { PERIODS_AHEAD_MAX } from "#contract/limits";

const name = ObjectKey.describe("Name of the stored object: one segment, no slash.");
const agent_id = AgentId.optional().describe("Whose data, if not the calling agent's.");
const path = z.string().min(1).max(4096).describe("File or folder, absolute or relative to the workspace.");
const region = Region.optional().describe("AWS region, for instance us-east-1.");
const max_amount = z
  .string()
  .regex(/^\d{1,12}$/, "wanted micro-USDC as a decimal string")
  .optional()
  .describe("Pay at most this many micro-USDC (1000000 is one dollar).");
const idempotency_key = IdempotencyKey.optional().describe("One key per purchase, the same key on every retry of it.");
const wait_s = z
  .number()
  .int()
  .min(0)
  .max(600)
  .optional()
  .describe("Answer after this many seconds even if it is not finished (default 100); it goes on by itself.");

export const SCHEMAS = {
  mnemospark_status: z.strictObject({
    operation_id: z.string().max(64).optional().describe("How this operation goes, instead of everything."),
  }),
  mnemospark_quote: z.strictObject({ path, name: name.optional(), region, agent_id }),
  mnemospark_list: z.strictObject({
    prefix: z.string().max(512).optional().describe("Only names that begin so."),
    limit: z.number().int().min(1).max(200).optional().describe("Default 50."),
    cursor: z.string().max(512).optional().describe("`nextCursor` of the page before."),
    agent_id,
  }),
  mnemospark_store: z.strictObject({
    path,
    name: name.optional(),
    region,
    quote_id: z.string().max(128).optional().describe("Of mnemospark_quote: what is paid is what was quoted."),
    max_amount,
    periods: z
      .number()
      .int()
      .min(1)
      .max(PERIODS_AHEAD_MAX)
      .optional()
      .describe(
        "Sign so many renewals beforehand: each is charged on its day, at most at today's price, machine on or off.",
      ),
    idempotency_key,
    wait_s,
    agent_id,
  }),
  mnemospark_fetch: z.strictObject({
    name,
    destination: path.optional().describe("Where to; the downloads directory if not given."),
    overwrite: z.boolean().optional().describe("Replace a file that is there (default false)."),
    max_amount: max_amount.describe("Pay up to this many micro-USDC for a download beyond the three included."),
    wait_s,
    agent_id,
  }),
  mnemospark_delete: z.strictObject({ name, agent_id }),
  mnemospark_backup: z.strictObject({
    path: path.optional().describe("The workspace if not given."),
    name: name.optional().describe("`backup-<agent>-<date>` if not given."),
    dry_run: z.boolean().optional().describe("Say what it would cost; pay nothing."),
    quote_id: z.string().max(128).optional(),
    max_amount,
    wait_s,
    agent_id,
  }),
  mnemospark_restore: z.strictObject({
    name,
    destination: path.describe("A new place; nothing that is there is ever replaced."),
    wait_s,
    agent_id,
  }),
  mnemospark_renew: z.strictObject({
    name: name.optional(),
    all: z
      .boolean()
      .optional()
      .describe("Instead of a name: all that is due within 30 days, of every agent, by one payment."),
    max_amount,
    agent_id,
  }),
} as const;

export type ToolName = keyof typeof SCHEMAS;
export type ToolArguments<N extends ToolName> = z.output<(typeof SCHEMAS)[N]>;

export function jsonSchema(name: ToolName): Record<string, unknown> {
  const { $schema: _, ...schema } = z.toJSONSchema(SCHEMAS[name], { io: "input", unrepresentable: "any" });
  return schema;
}
