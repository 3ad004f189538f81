/** Shows how far a long step is: a bar that redraws itself on a terminal, one line a step elsewhere, nothing at all for scripts. */
export interface Progress {
  /** Begins a step, ending the one before it. */
  begin(title: string): void;
  /** Bytes done of bytes in all. */
  at(done: number, total: number): void;
  end(): void;
}

const REDRAW_MS = 100;
const WIDTH = 24;

export function openProgress(quiet: boolean, terminal: { isTTY?: boolean; write(text: string): unknown }): Progress {
  let title = "";
  let startedMs = 0;
  let drawnMs = 0;
  let last = { done: 0, total: 0 };
  const draw = (text: string) => terminal.write(`\r\u001b[2K${text}`);
  const finish = () => {
    if (title === "") return;
    const seconds = ((Date.now() - startedMs) / 1000).toFixed(1);
    const line = `  ${title.padEnd(34)} ${seconds.padStart(6)} s`;
    if (terminal.isTTY) draw(`${line}\n`);
    else terminal.write(`${line}\n`);
    title = "";
  };
  if (quiet) return { begin: () => {}, at: () => {}, end: () => {} };
  return {
    begin(next) {
      finish();
      title = next;
      startedMs = Date.now();
      last = { done: 0, total: 0 };
      if (terminal.isTTY) draw(`  ${title} …`);
    },
    at(done, total) {
      last = { done, total };
      if (!terminal.isTTY || total === 0 || Date.now() - drawnMs < REDRAW_MS) return;
      drawnMs = Date.now();
      draw(`  ${title.padEnd(34)} ${bar(last.done / last.total)} ${rate(last.done, drawnMs - startedMs, last.total)}`);
    },
    end: finish,
  };
}

function bar(share: number): string {
  const full = Math.min(WIDTH, Math.round(share * WIDTH));
  return `${"█".repeat(full)}${"░".repeat(WIDTH - full)} ${String(Math.floor(Math.min(1, share) * 100)).padStart(3)} %`;
}

function rate(done: number, elapsedMs: number, total: number): string {
  if (elapsedMs < 300 || done === 0) return "";
  const perSecond = (done * 1000) / elapsedMs;
  const left = Math.max(0, Math.ceil((total - done) / perSecond));
  return `${sizeOf(perSecond)}/s, ${left} s left`;
}

/** SI sizes, as S3 and the published client show them. */
export function sizeOf(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return unit === 0 ? `${Math.round(value)} B` : `${value.toFixed(value < 10 ? 2 : 1)} ${units[unit]}`;
}
