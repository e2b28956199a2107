/**
 * The only file that knows libpg-query: PostgreSQL's own grammar, in WASM. Text in, parse tree out, nothing decided.
 *
 * Refuses to guess: what the grammar refuses is an error for the caller to treat as unknown. Cannot see settings of the
 * session that change how a text is cut into tokens (`standard_conforming_strings`, `client_encoding`). The caller
 * bounds size and depth before it calls: the parser itself has a fixed stack.
 */
import { fingerprintSync, loadModule, parseSync, scanSync } from "libpg-query";

export type {
  A_Expr,
  A_Indirection,
  AccessPriv,
  Alias,
  AlterTableCmd,
  AlterTableStmt,
  CallStmt,
  CaseExpr,
  ColumnDef,
  ColumnRef,
  CommonTableExpr,
  CopyStmt,
  CreateFunctionStmt,
  CreateStmt,
  CreateTableAsStmt,
  DefElem,
  DeleteStmt,
  DropStmt,
  ExplainStmt,
  FuncCall,
  GrantStmt,
  InsertStmt,
  JoinExpr,
  MergeStmt,
  MergeWhenClause,
  Node,
  ObjectWithArgs,
  OnConflictClause,
  RangeFunction,
  RangeSubselect,
  RangeTableFunc,
  RangeVar,
  RenameStmt,
  ResTarget,
  ReturningClause,
  SelectStmt,
  SubLink,
  TransactionStmt,
  TypeCast,
  UpdateStmt,
  VariableSetStmt,
  WindowDef,
  WithClause,
} from "libpg-query";

import type { Node } from "libpg-query";

export interface ParsedStatement {
  readonly node: Node;
  /** Byte offsets in UTF-8 of the statement inside the text; `end` excludes the semicolon. */
  readonly start: number;
  readonly end: number;
}

export interface Token {
  /** Byte offsets in UTF-8; `end` is exclusive. */
  readonly start: number;
  readonly end: number;
  readonly text: string;
  readonly kind: "string" | "comment" | "word" | "other";
}

export interface Grammar {
  /** @throws Error when the text is not valid SQL, or the parser gave up */
  parse(text: string): readonly ParsedStatement[];
  /** @returns 16 hex digits, the same for texts that differ only in constants. @throws as parse */
  fingerprint(text: string): string;
  /** @throws Error when the text cannot be cut into tokens */
  tokens(text: string): readonly Token[];
}

export async function loadGrammar(): Promise<Grammar> {
  await loadModule();
  return { parse, fingerprint: fingerprintSync, tokens };
}

function parse(text: string): readonly ParsedStatement[] {
  if (text === "") return [];
  const bytes = Buffer.byteLength(text);
  const parsed: ParsedStatement[] = [];
  for (const raw of parseSync(text).stmts ?? []) {
    if (raw.stmt === undefined) throw new Error("a statement without a tree");
    const start = raw.stmt_location ?? 0;
    parsed.push({ node: raw.stmt, start, end: raw.stmt_len ? start + raw.stmt_len : bytes });
  }
  return parsed;
}

function tokens(text: string): readonly Token[] {
  return scanSync(text).tokens.map((token) => ({
    start: token.start,
    end: token.end,
    text: token.text,
    kind: tokenKind(token.tokenName, token.keywordName),
  }));
}

function tokenKind(name: string, keyword: string): Token["kind"] {
  if (name === "SCONST" || name === "USCONST" || name === "BCONST" || name === "XCONST") return "string";
  if (name === "SQL_COMMENT" || name === "C_COMMENT") return "comment";
  return name === "IDENT" || keyword !== "NO_KEYWORD" ? "word" : "other";
}
