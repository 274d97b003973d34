// Reads a log of histograms (.hlog) with hdr-histogram-js and prints one line per interval:
//   TAG START_S LENGTH_S COUNT MIN MAX MEAN STDDEV P50 P90 P95 P99 P99.9      (TAG "-": none; values as stored)
//   node read_hlog.mjs FILE
import { readFileSync } from "node:fs";
import hdr from "hdr-histogram-js";

const log = readFileSync(process.argv[2], "utf8");
const begun = Number(/^#\[StartTime: ([0-9.]+) /m.exec(log)[1]) * 1000;
const reader = new hdr.HistogramLogReader(log, 64);
for (let h; (h = reader.nextIntervalHistogram()); ) {
  const figures = [h.totalCount, h.minNonZeroValue, h.maxValue, h.mean, h.stdDeviation];
  for (const p of [50, 90, 95, 99, 99.9]) figures.push(h.getValueAtPercentile(p));
  const from = (h.startTimeStampMsec - begun) / 1000, length = (h.endTimeStampMsec - h.startTimeStampMsec) / 1000;
  const tag = h.tag && h.tag !== "NO TAG" ? h.tag : "-";
  console.log([tag, from.toFixed(3), length.toFixed(3), ...figures].join(" "));
}
