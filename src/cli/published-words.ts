/** What became of a record that was put into the DHT, in words for people. */
import { counted } from "../base/counted.ts";
import type { Published } from "../io/dnetdb-dht.ts";

/** A line, or nothing when all was there. `record`: its id in text. */
export function publishedWords(record: string, published: Published | null): string {
  if (!published) return `warning: ${record} is too long for the DHT\n`;
  const { values, put, isHeadThere } = published;
  const overwritten = `warning: somebody has hidden ${record} in the DHT; those who announce themselves are found all the same\n`;
  if (!isHeadThere) return overwritten;
  return put > 0 ? `${record}: ${put} of ${counted(values, "value")} put into the DHT\n` : "";
}
