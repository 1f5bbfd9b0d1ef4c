import * as vscode from 'vscode';
import type { Group, Thread } from '../protocol/machine-overview.js';
import type { Machine } from '../session/machine.js';
import type { Machines } from '../session/machines.js';
import { plain } from '../session/names.js';
import { rows, type Row } from './rows.js';

/** A row of one machine; commands of its menu get it. */
export interface Node {
  machine: Machine;
  row: Row;
}

/** A row that stands for a group or something in it. */
export type GroupNode = Node & { row: Row & { group: Group } };

/** A row that stands for a thread. */
export type ThreadNode = Node & { row: Row & { group: Group; thread: Thread } };

/** Every machine, when there are several. */
interface MachineNode {
  machine: Machine;
  row?: undefined;
}

/** The machine view in the debug side bar. */
export class MachineTree implements vscode.TreeDataProvider<Node | MachineNode> {
  private readonly changed = new vscode.EventEmitter<undefined>();
  readonly onDidChangeTreeData = this.changed.event;

  constructor(private readonly machines: Machines) {
    machines.onDidChange(() => {
      this.changed.fire(undefined);
    });
  }

  getChildren(node?: Node | MachineNode): (Node | MachineNode)[] {
    if (node === undefined) {
      const all = this.machines.all;
      const [first] = all;
      return all.length > 1 || first === undefined ? all.map((machine) => ({ machine })) : groupsOf(first);
    }
    return node.row === undefined
      ? groupsOf(node.machine)
      : node.row.children.map((row) => ({ machine: node.machine, row }));
  }

  getTreeItem(node: Node | MachineNode): vscode.TreeItem {
    const { machine, row } = node;
    if (row === undefined) {
      const item = new vscode.TreeItem(plain(machine.name), vscode.TreeItemCollapsibleState.Expanded);
      item.id = machine.root.id;
      item.iconPath = new vscode.ThemeIcon('server');
      return item;
    }
    const item = new vscode.TreeItem(row.label, collapsible(row));
    item.id = `${machine.root.id} ${row.id}`;
    item.description = row.description;
    item.tooltip = row.tooltip;
    item.iconPath = new vscode.ThemeIcon(row.icon, row.colour ? new vscode.ThemeColor(row.colour) : undefined);
    item.contextValue = row.context;
    item.accessibilityInformation = { label: `${row.label}, ${row.description}` };
    if (row.thread !== undefined) {
      item.command = { command: 'hvdap.openStack', title: 'Open Stack', arguments: [node] };
    }
    return item;
  }
}

function groupsOf(machine: Machine): Node[] {
  return rows(machine.groups, machine.halted, machine.missing).map((row) => ({ machine, row }));
}

function collapsible(row: Row): vscode.TreeItemCollapsibleState {
  if (row.children.length === 0) {
    return vscode.TreeItemCollapsibleState.None;
  }
  // Hundreds of vCPUs stay folded until somebody wants them.
  return row.children.length > 32
    ? vscode.TreeItemCollapsibleState.Collapsed
    : vscode.TreeItemCollapsibleState.Expanded;
}
