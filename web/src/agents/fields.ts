// The controls of an agent's form: which members there are, how each is edited, and in what words.
// A test holds them against the schema; what has no control here is edited as JSON, and never lost.

export type Control =
  | 'text'
  | 'area' // of several lines
  | 'number'
  | 'choice'
  | 'flag'
  | 'lines' // a list, an item a line
  | 'tools' // a list, where an absent one is the server's
  | 'pairs' // names and values
  | 'mounts'
  | 'grants';

export interface Field {
  path: string; // "limits.max_turns"
  label: string;
  control: Control;
  help: string;
  choices?: readonly (readonly [value: string, words: string])[];
  usual?: boolean; // of a flag that is absent
  example?: string;
  wide?: boolean;
}

export interface Group {
  title: string;
  help: string;
  fields: readonly Field[];
}

const field = (path: string, label: string, control: Control, help: string, more: Partial<Field> = {}): Field =>
  ({ path, label, control, help, ...more });

export const groups: readonly Group[] = [
  {
    title: 'What it is',
    help: 'Who does the work, and what the model is told before everything else.',
    fields: [
      field('name', 'Name', 'text', 'Small letters, digits and hyphens. It cannot be changed later.', {
        example: 'reviewer',
      }),
      field('description', 'Description', 'text', 'For people. It changes nothing.'),
      field('runner', 'Runner', 'text', 'What drives the model: native, claude-code, codex, acp:NAME or command:NAME. Empty: the server’s.', {
        example: 'native',
      }),
      field('model', 'Model', 'text', 'Of runs that name none: provider/name. Empty: the server’s.', {
        example: 'anthropic/claude-sonnet-4-5',
      }),
      field('fallback_models', 'Fallback models', 'lines', 'Tried in this order when the model cannot answer, one a line.'),
      field('prompt', 'Prompt', 'area', 'The system’s words, behind drover’s own.', { wide: true }),
      field('tools', 'Tools', 'tools', 'One a line.', { example: 'Read\nGrep' }),
      field('enabled', 'Takes new work', 'flag', 'Off: what it has under way ends, nothing new begins.', { usual: true }),
    ],
  },
  {
    title: 'Limits',
    help: 'Empty: the server’s. An invocation may say others.',
    fields: [
      field('limits.max_turns', 'Turns', 'number', 'Model calls in one run.'),
      field('limits.max_budget_usd', 'Budget, USD', 'number', 'Of one run.'),
      field('limits.timeout_s', 'Timeout, s', 'number', 'Wall time of one attempt.'),
      field('limits.queue_s', 'Queue, s', 'number', 'Longest wait for a worker.'),
      field('limits.step_s', 'Step, s', 'number', 'Longest time without an event; then another attempt is made.'),
      field('limits.idle_s', 'Idle, s', 'number', 'How long the unit stays warm behind a run.'),
      field('limits.wait_s', 'Wait, s', 'number', 'Longest wait for the answer to its question.'),
      field('limits.cpu', 'Cores', 'number', 'May be a fraction.'),
      field('limits.memory_mb', 'Memory, MB', 'number', 'At least 16.'),
      field('limits.pids', 'Processes', 'number', 'At once.'),
      field('limits.disk_mb', 'Disk, MB', 'number', 'What it may write.'),
    ],
  },
  {
    title: 'Where it runs',
    help: 'What its units are made of, and on which workers.',
    fields: [
      field('backend', 'Backend', 'choice', 'How its units are started.', {
        choices: [
          ['', 'the server’s'],
          ['process', 'process'],
          ['docker', 'docker'],
        ],
      }),
      field('image', 'Image', 'text', 'With the backend docker.', { example: 'debian:12' }),
      field('rootfs', 'Root file system', 'text', 'With the backend process: an unpacked one, in place of the machine’s programs.', {
        example: '/srv/rootfs',
      }),
      field('read_only_paths', 'Read-only paths', 'lines', 'Of the worker’s machine, seen at the same path inside. One a line.'),
      field('env', 'Environment', 'pairs', 'No credentials: an agent reads it.', { wide: true }),
      field('labels', 'Labels', 'pairs', 'Only a worker that has all of them takes its runs.', { wide: true }),
      field('warm', 'Warm units', 'number', 'With docker: so many containers wait ahead of need.'),
    ],
  },
  {
    title: 'What it may reach',
    help: 'All of it through the gateway, which has the credentials.',
    fields: [
      field('egress', 'Hosts', 'lines', 'A name, *.example.org, an address or a network; a port, or 443 and 80. One a line; none: it reaches nothing.', {
        example: 'api.example.org:443',
      }),
      field('hands_to', 'Hands work to', 'lines', 'Agents that it may hand work to, one a line.'),
      field('mcp', 'MCP servers', 'grants', 'Of gateway.toml.', { wide: true }),
    ],
  },
  {
    title: 'Resident',
    help: 'A resident agent keeps long-lived containers, each with a state of its own at /state.',
    fields: [
      field('resident', 'Resident', 'flag', 'Keeps its containers.', { usual: false }),
      field('replicas', 'Replicas', 'number', 'So many containers share its work. Empty: one.'),
      field('type', 'Type', 'text', 'Agents of one type share credential files.'),
      field('credentials', 'Credentials', 'choice', 'files: the folder of its type, read-only at /run/credentials.', {
        choices: [
          ['', 'in the gateway (usual)'],
          ['gateway', 'gateway'],
          ['files', 'files'],
        ],
      }),
      field('mounts', 'Mounts', 'mounts', 'Folders of the server’s machine.', { wide: true }),
    ],
  },
];

export const fields: readonly Field[] = groups.flatMap((group) => group.fields);

export const field_of = (path: string): Field | undefined => fields.find((one) => one.path === path);

// The field that a JSON pointer of the API's ("/limits/max_turns", "/egress/3") is about.
export function field_at(pointer: string): Field | undefined {
  const parts = pointer.split('/').slice(1);
  return field_of(parts.slice(0, 2).join('.')) ?? field_of(parts[0] ?? '');
}
