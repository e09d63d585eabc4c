import { command } from "./command.ts";

export const licenses = command({
  name: "licenses",
  summary: "Print the licences of dnet and of all that is inside its executable",
  async run({ values }, { terminal }) {
    const { notices } = await import("./license-texts.ts");
    const json = `${JSON.stringify({ schema: "dnet.licenses/1", components: notices })}\n`;
    const rule = "-".repeat(80);
    const text = notices.map(({ name, version, license, text }) => {
      return `${rule}\n${name} ${version}: ${license}\n${rule}\n\n${text.trim()}\n`;
    });
    terminal.stdout.write(values.json ? json : text.join("\n"));
  },
});
