/** What the figures of a run must be. */
import type { Figures } from "./run.ts";

const CLIENT_MIB_MAX = 300;

export function faultsOf(figures: Figures): string[] {
  const { parts, partsTaken, sealedBytes, partsTakenBytes, partsAtKill, bytesAtKill, bytesAskedAfterwards } = figures;
  const wrong: [boolean, string][] = [
    [partsAtKill.client === 0 || partsAtKill.client >= parts, "the client was not killed in the middle"],
    [partsAtKill.edge >= parts, "the edge was not killed in the middle"],
    [partsTaken !== parts, `${partsTaken} parts were sent; the object has ${parts}`],
    [partsTakenBytes !== sealedBytes, `${partsTakenBytes} bytes were sent; the object has ${sealedBytes}`],
    [figures.payments !== 1, `it was paid ${figures.payments} times`],
    [bytesAtKill === 0 || bytesAtKill >= sealedBytes, "the client was not killed in the middle of the way back"],
    [bytesAskedAfterwards !== sealedBytes - bytesAtKill, `${bytesAskedAfterwards} bytes were asked for again`],
    [!figures.identical, "what came back is not what was stored"],
    [figures.clientPeakMib >= CLIENT_MIB_MAX, `the client took ${figures.clientPeakMib} MiB`],
  ];
  return wrong.flatMap(([is, sentence]) => (is ? [sentence] : []));
}
