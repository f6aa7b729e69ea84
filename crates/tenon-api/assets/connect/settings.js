// Settings of syncs as fields of the form; loaded only where a session asks for them.

/** A setting of a sync, as `GET /connect/settings/{integration}` tells it. */
export function settingField({ name, kind, title, description, options, required, default: value, limits = {} }) {
  return {
    group: 'settings', name: `settings.${name}`, key: name, kind, options, shown: true,
    required: required && kind !== 'boolean', value: value === undefined ? (required && kind === 'boolean' ? 'false' : '') : String(value),
    definition: { ...limits, title, description, enum: options?.map(String) },
  };
}

/** The metadata of the connection: what was entered, in the types that the syncs expect. */
export function metadataOf(fields, values) {
  const typed = ({ kind, options, definition }, value) => {
    if (kind === 'choice') return options[definition.enum.indexOf(value)];
    if (kind === 'boolean') return value === 'true';
    return kind === 'text' ? value : Number(value);
  };
  const filled = fields.filter((field) => field.group === 'settings' && (values[field.slot] ?? '') !== '');
  return Object.fromEntries(filled.map((field) => [field.key, typed(field, values[field.slot])]));
}
