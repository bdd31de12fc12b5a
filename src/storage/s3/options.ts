/** Where an S3-compatible store is; what is left out comes from the client's own environment and configuration files. */
export interface S3Options {
  /** Default: `AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL`, else Amazon's. */
  readonly endpoint?: string | undefined;
  /** Default: `AWS_REGION`, `AWS_DEFAULT_REGION` or the profile's; else `us-east-1` where an endpoint is given, and `NO_REGION` where none is. */
  readonly region?: string | undefined;
  /** Put the bucket into the path, not into the host name. Default: true where an endpoint is given. */
  readonly pathStyle?: boolean | undefined;
}
