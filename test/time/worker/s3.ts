/** The local S3 in the same world: signatures are as old as its clock says. */

import s3 from "../../stack/s3/worker.ts";
import { ahead, moveTo } from "./clock.ts";

export default {
  async fetch(request: Request, env: Parameters<typeof s3.fetch>[1]): Promise<Response> {
    if (request.method !== "PUT" || new URL(request.url).pathname !== "/time") return s3.fetch(request, env);
    moveTo((await request.json<{ aheadMs: number }>()).aheadMs);
    return Response.json({ aheadMs: ahead() });
  },
};
