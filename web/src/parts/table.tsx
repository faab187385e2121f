// The head of a table. The roles are said because a narrow page lays its tables out as lists, which
// takes them from the elements.
export function Heads({ names }: { names: readonly string[] }) {
  return (
    <thead>
      <tr role="row">
        {names.map((name) => (
          <th key={name} role="columnheader">
            {name}
          </th>
        ))}
      </tr>
    </thead>
  );
}
