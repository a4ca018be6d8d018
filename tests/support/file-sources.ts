/** Reads sources that are dropped files of every format, and of no other kind. */

import { NO_KINDS, sourceReader } from "../../core/config/sources.ts";
import { FORMATS } from "../../sql/decode/formats.ts";

export const FILE_SOURCES = sourceReader({ formats: FORMATS, kinds: NO_KINDS });
