import { expect, test } from "vitest";
import { progressLines } from "../../client-plugin/progress.ts";

const MB = 1_000_000;

test("long work shows step, share, rate and time left", () => {
  const line = progressLines();
  expect(line("pay", 0, 0, 0)).toBe("pay …");
  expect(line("upload", 0, 0, 1_000)).toBe("upload …");
  expect(line("upload", 0, 3_000 * MB, 1_000)).toBe("upload 0 %  0 B of 3 GB");
  expect(line("upload", 30 * MB, 3_000 * MB, 4_000)).toBe("upload 1 %  30 MB of 3 GB  10 MB/s  4 min 57 s left");
  expect(line("upload", 2_950 * MB, 3_000 * MB, 296_000)).toBe("upload 98 %  3 GB of 3 GB  10 MB/s  5 s left");
  expect(line("upload", 3_000 * MB, 3_000 * MB, 301_000)).toBe("upload 100 %  3 GB of 3 GB  10 MB/s  0 s left");
});

test("what was there before is not counted as brought now, and a window more is no new step", () => {
  const line = progressLines();
  line("download", 0, 0, 0);
  line("download", 1_500 * MB, 3_000 * MB, 0);
  expect(line("download", 1_501 * MB, 3_000 * MB, 10_000)).toBe(
    "download 50 %  1.5 GB of 3 GB  100 KB/s  4 h 9 min left",
  );
  expect(line("download", 0, 0, 11_000)).toBeUndefined();
});
