export interface ImageSize {
  readonly width: number;
  readonly height: number;
}

/** Characters of base64 that hold the head of a picture; a JPEG may carry a camera's notes before its size. */
const HEAD_CHARACTERS = 128 * 1024;

/** Reads width and height from the head of a PNG, JPEG, GIF or WebP in base64; `undefined` for anything else. */
export function imageSizeOf(base64: string): ImageSize | undefined {
  const head = Buffer.from(base64.slice(0, HEAD_CHARACTERS), 'base64');
  const signature = head.toString('latin1', 0, 4);
  let size: ImageSize | undefined;
  try {
    if (signature === '\x89PNG') size = { width: head.readUInt32BE(16), height: head.readUInt32BE(20) };
    else if (signature === 'GIF8') size = { width: head.readUInt16LE(6), height: head.readUInt16LE(8) };
    else if (signature === 'RIFF') size = webpSize(head);
    else if (signature.startsWith('\xff\xd8')) size = jpegSize(head);
  } catch (error) {
    // A picture that ends before its size is no picture.
    if (error instanceof RangeError) return undefined;
    throw error;
  }
  return size !== undefined && size.width > 0 && size.height > 0 ? size : undefined;
}

function webpSize(head: Buffer): ImageSize | undefined {
  switch (head.toString('latin1', 12, 16)) {
    case 'VP8 ':
      return { width: head.readUInt16LE(26) & 0x3fff, height: head.readUInt16LE(28) & 0x3fff };
    case 'VP8L': {
      const bits = head.readUInt32LE(21);
      return { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 };
    }
    case 'VP8X':
      return { width: head.readUIntLE(24, 3) + 1, height: head.readUIntLE(27, 3) + 1 };
    default:
      return undefined;
  }
}

/** The size stands in the segment that starts a frame (C0 to CF, but for three of other meanings). */
function jpegSize(head: Buffer): ImageSize | undefined {
  let at = 2;
  while (at < head.length) {
    if (head[at] !== 0xff) return undefined;
    const marker = head.readUInt8(at + 1);
    if (marker === 0xff) {
      at += 1;
      continue;
    }
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (isFrame) return { height: head.readUInt16BE(at + 5), width: head.readUInt16BE(at + 7) };
    at += 2 + head.readUInt16BE(at + 2);
  }
  return undefined;
}
