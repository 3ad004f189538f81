/** The contract's parsers try to compile code as they are made, which the page's policy forbids and reports. Loaded before them. */
import * as z from "zod";

z.config({ jitless: true });
