/** What a node at the outermost level of a syntax tree is for. */
export type Role =
  | 'definition'
  | 'import'
  | 'comment'
  /** Belongs to what follows: attributes, annotations. */
  | 'lead'
  /** Belongs to what precedes. */
  | 'trail'
  /** Is opened, and what is in it is outermost: namespaces, conditional compilation. */
  | 'container';

export type NodeKinds = ReadonlyMap<string, Role>;

const ROLES: readonly Role[] = ['definition', 'import', 'comment', 'lead', 'trail', 'container'];

/** Kinds of nodes by role, in the order above, names parted by blanks. */
function kinds(...names: readonly string[]): NodeKinds {
  const map = new Map<string, Role>([
    ['comment', 'comment'],
    [';', 'trail'],
  ]);
  for (const [index, list] of names.entries()) {
    const role = ROLES[index];
    if (role !== undefined) for (const name of list.split(' ')) if (name !== '') map.set(name, role);
  }
  return map;
}

const ECMASCRIPT =
  'function_declaration generator_function_declaration class_declaration lexical_declaration variable_declaration using_declaration export_statement';
const TYPESCRIPT = `${ECMASCRIPT} abstract_class_declaration interface_declaration type_alias_declaration enum_declaration module internal_module ambient_declaration function_signature`;
const C =
  'function_definition declaration type_definition struct_specifier union_specifier enum_specifier preproc_def preproc_function_def';
const C_CONTAINERS =
  'preproc_if preproc_ifdef preproc_else preproc_elif preproc_elifdef linkage_specification declaration_list';

/** Kinds of outermost nodes by grammar; the names are those of the grammar. All others are no unit of their own. */
export const NODE_KINDS = {
  bash: kinds('function_definition'),
  c: kinds(C, 'preproc_include', '', '', '', C_CONTAINERS),
  c_sharp: kinds(
    'class_declaration struct_declaration enum_declaration interface_declaration record_declaration delegate_declaration',
    'using_directive extern_alias_directive',
    '',
    'global_attribute attribute_list',
    '',
    'namespace_declaration file_scoped_namespace_declaration declaration_list preproc_if preproc_else preproc_elif',
  ),
  cpp: kinds(
    `${C} class_specifier template_declaration template_instantiation alias_declaration namespace_alias_definition concept_definition static_assert_declaration`,
    'preproc_include using_declaration',
    '',
    '',
    '',
    `${C_CONTAINERS} namespace_definition`,
  ),
  css: kinds(
    'rule_set media_statement keyframes_statement supports_statement scope_statement at_rule',
    'import_statement charset_statement namespace_statement',
    'js_comment',
  ),
  dart: kinds(
    'class_definition mixin_declaration extension_declaration extension_type_declaration enum_declaration type_alias function_signature getter_signature setter_signature',
    'import_or_export library_name part_directive part_of_directive',
    'documentation_comment',
    'annotation',
    'function_body',
  ),
  go: kinds(
    'function_declaration method_declaration type_declaration const_declaration var_declaration',
    'package_clause import_declaration',
  ),
  java: kinds(
    'class_declaration interface_declaration enum_declaration record_declaration annotation_type_declaration module_declaration method_declaration field_declaration',
    'package_declaration import_declaration',
    'line_comment block_comment',
  ),
  javascript: kinds(ECMASCRIPT, 'import_statement', 'html_comment'),
  php: kinds(
    'function_definition class_declaration interface_declaration trait_declaration enum_declaration const_declaration',
    'namespace_use_declaration',
    '',
    '',
    '',
    'namespace_definition declaration_list compound_statement',
  ),
  powershell: kinds('function_statement class_statement enum_statement', '', '', '', '', 'statement_list'),
  python: kinds(
    'function_definition class_definition decorated_definition type_alias_statement',
    'import_statement import_from_statement future_import_statement',
  ),
  ruby: kinds('class module method singleton_method singleton_class'),
  rust: kinds(
    'function_item struct_item enum_item union_item trait_item impl_item mod_item macro_definition const_item static_item type_item foreign_mod_item function_signature_item',
    'use_declaration extern_crate_declaration',
    'line_comment block_comment',
    'attribute_item',
  ),
  solidity: kinds(
    'contract_declaration interface_declaration library_declaration struct_declaration enum_declaration error_declaration event_definition function_definition constant_variable_declaration user_defined_type_definition',
    'pragma_directive import_directive using_directive',
  ),
  swift: kinds(
    'function_declaration class_declaration protocol_declaration property_declaration typealias_declaration operator_declaration precedence_group_declaration macro_declaration',
    'import_declaration',
    'multiline_comment',
    'attribute',
  ),
  tsx: kinds(TYPESCRIPT, 'import_statement import_alias', 'html_comment'),
  typescript: kinds(TYPESCRIPT, 'import_statement import_alias', 'html_comment'),
  vue: kinds('template_element script_element style_element element'),
} as const satisfies Readonly<Record<string, NodeKinds>>;

export type GrammarName = keyof typeof NODE_KINDS;
