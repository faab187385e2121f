import { set_query, usePlace } from '../app/router';

// The text is in the address, so that a search can be sent to somebody.
export function Search({ label }: { label: string }) {
  const { query } = usePlace();
  return (
    <div class="search" role="search">
      <input
        type="search"
        aria-label={label}
        placeholder={label}
        value={query.get('q') ?? ''}
        onInput={(event) => set_query({ q: event.currentTarget.value })}
      />
      <kbd aria-hidden="true">/</kbd>
    </div>
  );
}

interface ChoiceProps<Value extends string> {
  label: string;
  name: string; // of the query
  usual: Value;
  value: Value;
  choices: readonly Value[];
  words?: (value: Value) => string;
}

export function Choice<Value extends string>({ label, name, usual, value, choices, words }: ChoiceProps<Value>) {
  return (
    <div class="choice" role="group" aria-label={label}>
      {choices.map((one) => (
        <button
          key={one}
          type="button"
          aria-pressed={one === value}
          onClick={() => set_query({ [name]: one === usual ? '' : one })}
        >
          {words ? words(one) : one}
        </button>
      ))}
    </div>
  );
}
