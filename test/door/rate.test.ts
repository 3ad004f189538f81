/** A flood is stopped at the door, before anything is read or opened. */
import { expect, test } from "vitest";
import { Problem } from "#contract/api";
import { routes } from "../../worker/http.ts";

test("too many requests are told how long to stay away, and nothing of theirs is read", async () => {
  const app = routes(
    () => {
      throw new Error("the ports were opened for a flood");
    },
    async () => false,
  );
  const request = new Request("https://edge.test/price-storage", { method: "POST", body: "{}" });
  const response = await app.request(request);
  expect(response.status).toBe(429);
  expect(response.headers.get("retry-after")).toBe("60");
  expect(response.headers.get("ratelimit")).toContain("t=60");
  expect(Problem.parse(await response.json())).toMatchObject({ code: "too_many_requests", retryable: true });
  expect(request.bodyUsed).toBe(false);
});
