/** What `throughline.yaml` says about storage, keys and sources of many machines; all of it optional: one machine needs none. */
import { closed, Type } from "./shape.ts";

const text = (description: string) => Type.String({ minLength: 1, description });

const s3Schema = closed({
  endpoint: Type.String({
    pattern: "^https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?$",
    description: "https://host[:port], without bucket and path",
  }),
  bucket: Type.String({ pattern: "^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$" }),
  region: Type.String({ pattern: "^[a-z0-9-]+$", description: "us-east-1 where the server has none" }),
  accessKeyFile: text("File that holds the access key's id; read again for every request"),
  secretKeyFile: text("File that holds its secret"),
  prefix: Type.Optional(
    Type.String({
      pattern: "^[a-z0-9_-]+(/[a-z0-9_-]+)*$",
      description: "Objects are <prefix>/<tenant>/…; absent: <tenant>/…",
    }),
  ),
  pathStyle: Type.Optional(Type.Boolean({ description: "The bucket in the path: MinIO and most servers but AWS" })),
  caFile: Type.Optional(text("CA that signed the endpoint's certificate; absent = the system's")),
  allowInsecure: Type.Optional(Type.Boolean({ description: "Permit an http endpoint beyond this machine" })),
});

export const blobsSchema = closed({
  s3: Type.Optional(s3Schema),
  folder: Type.Optional(text("Folder that every machine mounts, instead of s3")),
});

export const keysSchema = closed({
  in: Type.Literal("blobs", { description: "Session keys stand, wrapped, beside the blobs" }),
  masterKeyFile: text("32 bytes, the same for every gateway, projector and api of the tenant"),
  tenantKeyFile: Type.Optional(text("32 bytes for hashes that are compared; absent: follows from the master key")),
});
