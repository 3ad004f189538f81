/**
 * What AWS's own models say about the operations we use, and whether a text obeys them. `botocore/model.json` is taken from botocore by
 * `botocore/extract.py`; botocore is where AWS ships the models in a form that can be read here.
 */
import taken from "./botocore/model.json" with { type: "json" };

export interface Shape {
  readonly type: string;
  readonly required?: readonly string[];
  readonly members?: Readonly<Record<string, string>>;
  readonly member?: string;
  readonly min?: number;
  readonly max?: number;
  readonly pattern?: string;
  readonly enum?: readonly string[];
}

export interface ServiceModel {
  readonly service: string;
  readonly endpoint: string;
  readonly signingName: string;
  readonly jsonVersion: string;
  readonly operations: Readonly<
    Record<string, { readonly method: string; readonly path: string; readonly input: string; readonly output: string }>
  >;
  readonly shapes: Readonly<Record<string, Shape>>;
}

export const SERVICES: Readonly<Record<string, ServiceModel>> = taken.services;
export const TAKEN_FROM = `botocore ${taken.botocore}`;

/** `AWSPriceListService.GetProducts`: service and operation of a request. */
export function modelOf(target: string) {
  const [prefix = "", name = ""] = target.split(".");
  const service = SERVICES[prefix];
  const operation = service?.operations[name];
  if (!service || !operation) throw new Error(`AWS's models know of no ${target}`);
  return { service, operation };
}

export function shapeOf({ shapes }: ServiceModel, name: string): Shape {
  const shape = shapes[name];
  if (!shape) throw new Error(`the model names a shape ${name} that it does not have`);
  return shape;
}

/** What is wrong with a JSON value by the model; undefined when nothing is. Nothing may be in it that the model does not know. */
export function faultOf(service: ServiceModel, name: string, value: unknown, at = ""): string | undefined {
  const shape = shapeOf(service, name);
  const wanted = `${at || "it"}: wanted ${shape.type} ${name}, got ${JSON.stringify(value)?.slice(0, 80)}`;
  switch (shape.type) {
    case "structure": {
      if (typeof value !== "object" || value === null || Array.isArray(value)) return wanted;
      const missing = shape.required?.find((member) => !Object.hasOwn(value, member));
      if (missing !== undefined) return `${at}.${missing} is missing`;
      for (const [member, each] of Object.entries(value)) {
        const known = shape.members?.[member];
        const fault =
          known === undefined ? `${at}.${member} is unknown` : faultOf(service, known, each, `${at}.${member}`);
        if (fault) return fault;
      }
      return undefined;
    }
    case "list": {
      if (!Array.isArray(value) || !within(shape, value.length)) return wanted;
      const faults = value.map((each, index) => faultOf(service, shape.member ?? "", each, `${at}[${index}]`));
      return faults.find((fault) => fault !== undefined);
    }
    case "string": {
      const fits = typeof value === "string" && within(shape, value.length) && listed(shape, value);
      return fits && new RegExp(`^(?:${shape.pattern ?? "[^]*"})$`).test(value) ? undefined : wanted;
    }
    case "integer":
      return Number.isInteger(value) && within(shape, Number(value)) ? undefined : wanted;
    case "double":
    case "timestamp":
      // JSON 1.0 and 1.1 write times as seconds since 1970.
      return typeof value === "number" ? undefined : wanted;
    case "boolean":
      return typeof value === "boolean" ? undefined : wanted;
    default:
      throw new Error(`nobody here reads a ${shape.type}`);
  }
}

const within = ({ min = 0, max = Number.POSITIVE_INFINITY }: Shape, size: number) => size >= min && size <= max;
const listed = (shape: Shape, value: string) => shape.enum === undefined || shape.enum.includes(value);

/** Requests that AWS would refuse: one thing at a time is made wrong by the model. `said` says what. */
export function* spoiled(
  service: ServiceModel,
  name: string,
  value: unknown,
  at = "",
): Generator<{ said: string; value: unknown }> {
  const shape = shapeOf(service, name);
  yield { said: `${at || "it"} is of another type`, value: shape.type === "string" ? 7 : "seven" };
  if (shape.enum) yield { said: `${at} is none of its words`, value: "NONE_OF_THESE" };
  if (shape.type === "string" && shape.max !== undefined && !shape.enum)
    yield { said: `${at} is longer than ${shape.max}`, value: "1".repeat(shape.max + 1) };
  if (shape.type === "integer" && shape.max !== undefined)
    yield { said: `${at} is more than ${shape.max}`, value: shape.max + 1 };
  if (shape.type === "list" && Array.isArray(value)) {
    if (shape.max !== undefined)
      yield { said: `${at} has more than ${shape.max}`, value: Array.from({ length: shape.max + 1 }, () => value[0]) };
    for (const { said, value: bad } of spoiled(service, shape.member ?? "", value[0], `${at}[0]`))
      yield { said, value: [bad, ...value.slice(1)] };
  }
  if (shape.type !== "structure" || typeof value !== "object" || value === null) return;
  for (const member of shape.required ?? []) {
    const { [member]: _, ...rest } = value as Record<string, unknown>;
    yield { said: `${at}.${member} is missing`, value: rest };
  }
  for (const [member, each] of Object.entries(value))
    for (const { said, value: bad } of spoiled(service, shape.members?.[member] ?? "", each, `${at}.${member}`))
      yield { said, value: { ...value, [member]: bad } };
}
