// The form of an agent. It holds what is typed; what becomes of it is its owner's.
import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';

import { control_id, FieldControl } from './controls';
import { groups } from './fields';
import type { Form, Problem, Value } from './form_state';

interface Props {
  form: Form;
  problems: readonly Problem[];
  fixed_name: boolean;
  change: (form: Form) => void;
  submit: () => void;
  children: ComponentChildren; // the buttons
}

export function AgentForm({ form, problems, fixed_name, change, submit, children }: Props) {
  const first = problems[0]?.path;
  const shown = useRef<string>(undefined);
  useEffect(() => {
    // To the field that is wrong, once for each time that it is said.
    if (first === undefined || first === shown.current) return;
    shown.current = first;
    document.getElementById(control_id(first))?.focus();
  }, [first, problems]);
  useEffect(() => {
    if (problems.length === 0) shown.current = undefined;
  }, [problems]);
  const set = (path: string, value: Value): void =>
    change({ ...form, values: { ...form.values, [path]: value } });
  const problem_of = (path: string): string | undefined =>
    problems.find((one) => one.path === path)?.text;
  const rest_problem = problem_of('rest');
  return (
    <form
      class="agent-form"
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      {groups.map((group) => (
        <section key={group.title} class="card">
          <header>
            <h2>{group.title}</h2>
            <p class="help">{group.help}</p>
          </header>
          <div class="fields">
            {group.fields.map((field) => (
              <FieldControl
                key={field.path}
                field={field}
                value={form.values[field.path] ?? ''}
                problem={problem_of(field.path)}
                fixed={field.path === 'name' && fixed_name}
                change={(value) => set(field.path, value)}
              />
            ))}
          </div>
        </section>
      ))}
      {(form.rest !== '' || rest_problem !== undefined) && (
        <section class="card">
          <header>
            <h2>Other members</h2>
            <p class="help" id="field-rest-help">
              What this page has no control for, as a JSON object.
            </p>
          </header>
          <textarea
            id={control_id('rest')}
            class="mono"
            rows={8}
            aria-label="Other members, as JSON"
            aria-describedby="field-rest-help"
            aria-invalid={rest_problem !== undefined}
            spellcheck={false}
            value={form.rest}
            onInput={(event) => change({ ...form, rest: event.currentTarget.value })}
          />
          {rest_problem !== undefined && <p class="problem">{rest_problem}</p>}
        </section>
      )}
      <div class="form-foot">{children}</div>
    </form>
  );
}
