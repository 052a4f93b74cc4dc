import { execFileSync } from 'child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'fs';
import path from 'path';
import { Browser, chromium } from 'playwright-core';
import { devDependencies } from './package.json';

/**
 * Starts the browser of the tests, without a window: the one that CHROMIUM names, or the one of the package @sparticuz/chromium, which brings
 * the libraries and the font that a machine without a desktop lacks. Without a browser this fails: a page that nobody drew is not tested.
 */
export async function startBrowser(): Promise<Browser> {
  if (process.env.CHROMIUM) {
    return chromium.launch({ executablePath: process.env.CHROMIUM, args: ['--disable-gpu'] });
  }
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new Error(`The browser that npm brings is for Linux on x64, this is ${process.platform} on ${process.arch}: install Chromium or Chrome and set CHROMIUM to its path.`);
  }
  const folder = unpacked();
  const libraries = [path.join(folder, 'al2023/lib'), process.env.LD_LIBRARY_PATH].filter(Boolean).join(':');
  const env = { ...process.env, LD_LIBRARY_PATH: libraries, FONTCONFIG_FILE: path.join(folder, 'fonts.conf') };
  try {
    // This build has no zygote, the process that others start from.
    return await chromium.launch({ executablePath: path.join(folder, 'chromium'), args: ['--disable-gpu', '--no-zygote'], env });
  } catch (e) {
    throw new Error(`The browser that npm brings does not start; install Chromium or Chrome and set CHROMIUM to its path. It says: ${e}`);
  }
}

/** The folder with the unpacked browser. It appears whole or not at all, because several processes may want it at once. */
function unpacked(): string {
  const cache = path.join(__dirname, 'node_modules/.cache');
  const folder = path.join(cache, `chromium-${devDependencies['@sparticuz/chromium']}`);
  if (existsSync(folder)) {
    return folder;
  }
  mkdirSync(cache, { recursive: true });
  const fresh = mkdtempSync(`${folder}-`);
  // In a process of its own, since the package reads its environment when it is loaded. It unpacks the libraries if it believes itself in a cloud's function.
  execFileSync(process.execPath, ['-e', "require('@sparticuz/chromium').executablePath()"], {
    cwd: __dirname,
    env: { ...process.env, TMPDIR: fresh, AWS_LAMBDA_JS_RUNTIME: 'nodejs20.x' },
    timeout: 120_000,
  });
  writeFileSync(
    path.join(fresh, 'fonts.conf'),
    `<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig><dir prefix="relative">fonts/fonts</dir><cachedir prefix="xdg">fontconfig</cachedir></fontconfig>\n`
  );
  try {
    renameSync(fresh, folder);
  } catch (e) {
    rmSync(fresh, { recursive: true, force: true });
    if (!existsSync(folder)) {
      throw e;
    }
  }
  return folder;
}
