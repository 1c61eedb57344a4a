// Discs written straight into the pixels of a canvas: the same picture everywhere, and quick without a graphics card.

const SUB = 4; // a disc's middle and radius are rounded to a quarter of a pixel

class Raster {
  constructor(context) {
    this.context = context;
    this.masks = new Map();
  }

  resize(width, height) {
    this.width = width;
    this.height = height;
    this.image = this.context.createImageData(width, height);
    this.bytes = new Uint8Array(this.image.data.buffer);
    this.words = new Uint32Array(this.image.data.buffer);
  }

  clear(rgb) {
    this.paper = rgb;
    this.words.fill((255 << 24) | (rgb[2] << 16) | (rgb[1] << 8) | rgb[0]);
  }

  // How much of each pixel a disc covers (0 to 255), and how much the rim of paper around it does.
  mask(radius, subX, subY) {
    const key = (radius * SUB + subX) * SUB + subY;
    let mask = this.masks.get(key);
    if (mask) return mask;
    const r = radius / SUB, rim = r + Math.min(1, 0.35 * r), half = Math.ceil(rim) + 1, size = 2 * half + 1;
    const inner = new Uint8Array(size * size), outer = new Uint8Array(size * size);
    for (let y = 0; y < size; y++) {
      for (let x = 0; x < size; x++) {
        const d = Math.hypot(x - half - subX / SUB, y - half - subY / SUB);
        inner[y * size + x] = 255 * Math.min(Math.max(r + 0.5 - d, 0), 1);
        outer[y * size + x] = 255 * Math.min(Math.max(rim + 0.5 - d, 0), 1);
      }
    }
    mask = { half, size, inner, outer };
    this.masks.set(key, mask);
    return mask;
  }

  disc(x, y, radius, rgb, alpha) {
    const fx = Math.floor(x * SUB), fy = Math.floor(y * SUB), left = Math.floor(fx / SUB), top = Math.floor(fy / SUB);
    const { half, size, inner, outer } = this.mask(Math.max(2, Math.round(radius * SUB)), fx - left * SUB, fy - top * SUB);
    const { bytes, width, height, paper } = this, [r, g, b] = rgb, [pr, pg, pb] = paper;
    const x0 = Math.max(0, left - half), x1 = Math.min(width - 1, left + half);
    const y0 = Math.max(0, top - half), y1 = Math.min(height - 1, top + half);
    const rim = alpha > 200 ? 200 : 0;
    for (let py = y0; py <= y1; py++) {
      let m = (py - top + half) * size + (x0 - left + half), p = 4 * (py * width + x0);
      for (let px = x0; px <= x1; px++, m++, p += 4) {
        const edge = outer[m];
        if (edge === 0) continue;
        const a = (inner[m] * alpha) >> 8, o = ((edge - inner[m]) * rim) >> 8;
        if (o > 0) {
          bytes[p] += ((pr - bytes[p]) * o) >> 8;
          bytes[p + 1] += ((pg - bytes[p + 1]) * o) >> 8;
          bytes[p + 2] += ((pb - bytes[p + 2]) * o) >> 8;
        }
        if (a > 0) {
          bytes[p] += ((r - bytes[p]) * a) >> 8;
          bytes[p + 1] += ((g - bytes[p + 1]) * a) >> 8;
          bytes[p + 2] += ((b - bytes[p + 2]) * a) >> 8;
        }
      }
    }
  }

  show() {
    this.context.putImageData(this.image, 0, 0);
  }
}
