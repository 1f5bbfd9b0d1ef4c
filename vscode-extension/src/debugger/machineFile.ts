/** The text of a machine file, `hvdap.toml`. */

/** What the set-up asked for. Paths are as they shall stand in the file. */
export interface MachineFile {
  connect: string;
  /** The hypervisor's ELF file. */
  hypervisor?: string;
  vms: { name: string; image: string }[];
}

/** Writes the file. Every string is quoted as TOML wants it, whatever is in it. */
export function machineFileText(machine: MachineFile): string {
  const sections = [`[target]\nconnect = ${quoted(machine.connect)}\n`];
  if (machine.hypervisor !== undefined) {
    sections.push(`[hypervisor]\nimage = ${quoted(machine.hypervisor)}\n${sourceMapHint()}`);
  }
  for (const { name, image } of machine.vms) {
    sections.push(`[[vm]]\nname = ${quoted(name)}\nimage = ${quoted(image)}\n${sourceMapHint()}`);
  }
  return sections.join('\n');
}

function sourceMapHint(): string {
  return '# source-map = { "/path/when/compiled" = "folder/here" }\n';
}

/** A TOML basic string: JSON's escapes are among TOML's, but for U+007F, which TOML wants escaped too. */
function quoted(text: string): string {
  return JSON.stringify(text).replace(/\u007f/g, '\\u007f');
}

/** Names for VMs after their images: `vmlinux-domu` is `domu`, and no two are the same. */
export function vmNames(images: readonly string[]): string[] {
  const taken = new Set<string>();
  return images.map((image, index) => {
    const file = image.split('/').at(-1) ?? '';
    const stem = file.replace(/\.(elf|axf|out|debug)$/i, '').replace(/^vmlinux[-_.]?/, '');
    const wanted = stem === '' ? `VM ${index + 1}` : stem;
    let name = wanted;
    for (let number = 2; taken.has(name); number++) {
      name = `${wanted} ${number}`;
    }
    taken.add(name);
    return name;
  });
}
