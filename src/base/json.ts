/** A JSON document of someone's, as an object: what its keys hold is for the reader to check. */
export interface JsonObject {
  readonly [key: string]: unknown;
}

/** Null for what is no JSON (RFC 8259), or no object. */
export function parseJsonObject(text: string): JsonObject | null {
  try {
    const value: unknown = JSON.parse(text);
    return isJsonObject(value) ? value : null;
  } catch {
    return null;
  }
}

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
