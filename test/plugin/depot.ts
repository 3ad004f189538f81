/** The service at the socket, with a real S3 behind it over a line that can be made poor: what is stored there comes back. */
import type { ConfirmReply, UploadReply } from "#contract/api";
import { startNodeServer } from "../s3/node-server.ts";
import { type Content, type Counter, openCounter } from "../toxic/counter.ts";
import { startToxicProxy, type ToxicProxy } from "../toxic/proxy.ts";
import { type Asked, problem, type Service, startService } from "./service.ts";

export interface Depot {
  readonly service: Service;
  /** Between the client and S3. */
  readonly line: ToxicProxy;
  readonly counter: Counter;
  /** What was asked at a path, in order. */
  asked(path: string): Asked["body"][];
  /** Authorizations that came. */
  payments(): number;
  close(): Promise<void>;
}

/** One name at a time: the order that was paid keeps it, and a new content under it is a new plan. */
export async function startDepot(): Promise<Depot> {
  const s3 = await startNodeServer({});
  const line = await startToxicProxy(() => s3.origin);
  const counter = openCounter(line.origin);
  const service = await startService();
  let content: Content | undefined;
  let plan = 0;
  let paid = false;
  const common = {
    quote_id: "quote_1",
    order_id: "order_1",
    addr: "",
    addr_hash: "",
    trans_id: "0x1",
    storage_price: 0.01,
    amount: "10000",
    object_id: "",
    object_key: "",
    agent_id: "main",
    provider: "aws",
    bucket_name: counter.place.bucket,
    location: "us-east-1",
    paid_through: new Date(Date.now() + 30 * 86_400_000).toISOString(),
    ticket: "",
    already_stored: false,
  };
  service.lies.answer = async ({ path, body, nonce }) => {
    if (path === "/storage/upload") {
      paid ||= nonce !== undefined;
      if (!paid) return service.unpaid();
      const sha256 = String(body["content_sha256"]);
      if (content?.sha256 !== sha256) plan += 1;
      counter.place.key = `agent=main/object/order.${plan}`;
      const partBytes = body["mode"] === "multipart" ? { partBytes: 16 * 1024 ** 2 } : {};
      content = { sealedBytes: Number(body["content_length_bytes"]), sha256, ...partBytes };
      const planned = await counter.plan(content);
      const more = { confirmation_required: true, upload_url: "", upload_headers: {} };
      return { status: 200, body: { ...common, ...more, ...planned } satisfies UploadReply };
    }
    if (path === "/storage/upload/parts")
      return { status: 200, body: await counter.parts(1, body["parts"] as { part: number; sha256: string }[]) };
    if (path === "/storage/upload/confirm") {
      const seen = await counter.confirm();
      if (seen.end !== "found" || content === undefined) return problem(409, "bytes_not_found", true);
      const stored = {
        ...common,
        state: "stored" as const,
        size_bytes: content.sealedBytes,
        content_sha256: content.sha256,
        checksum: { type: "FULL_OBJECT" as const, sha256: "" },
        s3_key: counter.place.key,
        confirmation_required: false as const,
      };
      return { status: 200, body: stored satisfies ConfirmReply };
    }
    if (path === "/storage/download" && content !== undefined) {
      const reply = await counter.download(content, String(body["range"]));
      const more = {
        object_key: "",
        agent_id: "main",
        expires_at: "",
        order_id: "order_1",
        allowance_until: "",
        delete_after: "",
      };
      return {
        status: 200,
        body: { ...more, ...reply, checksum: { type: "FULL_OBJECT", sha256: "" } },
      };
    }
    return undefined;
  };
  return {
    service,
    line,
    counter,
    asked: (path) => service.asked.filter((each) => each.path === path).map(({ body }) => body),
    payments: () => new Set(service.asked.flatMap(({ nonce }) => (nonce === undefined ? [] : [nonce]))).size,
    async close() {
      await service.close();
      await line.close();
      await s3.close();
    },
  };
}
