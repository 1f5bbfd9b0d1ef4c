/**
 * A schema for package.json: VS Code resolves no references there.
 *
 * @param {object} node a schema, or a part of one
 * @param {Record<string, object>} definitions what `#/$defs/NAME` means
 */
function resolved(node, definitions) {
  if (Array.isArray(node)) {
    return node.map((one) => resolved(one, definitions));
  }
  if (typeof node !== 'object' || node === null) {
    return node;
  }
  const { $ref, ...rest } = node;
  const meant = $ref === undefined ? {} : resolved(definitions[$ref.replace('#/$defs/', '')], definitions);
  const own = Object.fromEntries(Object.entries(rest).map(([key, value]) => [key, resolved(value, definitions)]));
  return { ...meant, ...own };
}

/**
 * What `contributes.debuggers[].configurationAttributes` says, from the schema of launch arguments.
 *
 * @param {{ $defs: Record<string, object>, properties: Record<string, object> }} schema
 */
export function configurationAttributes(schema) {
  const properties = resolved(schema.properties, schema.$defs);
  delete properties.machine.anyOf[1].title;
  return { attach: { properties }, launch: { properties } };
}
