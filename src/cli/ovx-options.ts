export const addressOption = {
  type: "string",
  isRepeated: true,
  placeholder: "HOST:PORT,...",
  description: "where it is reached: an address, or a name, dynamic DNS included",
} as const;

export const keyOption = {
  type: "string",
  placeholder: "KEY",
  description: "its own public key; without it this machine's node key",
} as const;
