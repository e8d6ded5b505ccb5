/** Page size when neither `first` nor `last` is given. */
export const DEFAULT_PAGE_SIZE = 50;
/** The largest page; a larger `first` or `last` is refused. */
export const MAX_PAGE_SIZE = 1_000;
/** Nested pages multiply: 100 accounts with 100 keys each is about the most that one request may ask for. */
export const MAX_OBJECTS_PER_REQUEST = 12_000;
