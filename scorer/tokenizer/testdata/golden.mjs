// Makes the tokenizers and golden ids of this directory with the Rust reference, from invented text only:
//
//	npm install @anush008/tokenizers@0.6.0   (in any directory above)
//	node golden.mjs
//
// The reference's training breaks ties by chance, so that another run makes other vocabularies: run
// ../../testdata/transformers/export.py after it, whose logits belong to these ids.
import { createRequire } from 'node:module'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const { Tokenizer } = createRequire(process.cwd() + '/')('@anush008/tokenizers')
const here = dirname(fileURLToPath(import.meta.url))

const seeds = [
  'the coins went up again and nobody knows why', 'I am holding my bags until the moon comes down',
    'sold everything at a loss, never again',
  'what a wonderful green candle this morning', 'fees are too high for such a slow network',
    'the exchange is down while the price is falling',
  "don't panic, it's only a small correction, they'll buy it back", 'der Kurs fällt schon wieder, schöne Grüße',
    'la caída fue rápida y dolorosa',
  'les frais sont élevés mais l’équipe est sérieuse', 'цена растёт, а новости молчат', 'τα νέα είναι καλά σήμερα',
  'ราคาขึ้นทุกวันเลย', 'السعر يرتفع اليوم كثيرا', 'कीमत आज फिर गिर गई', '価格が上がっている', '市场今天很安静', '가격이 오르고 있다', 'המחיר יורד שוב',
]
const hard = [
  '', ' ', '   \t\n ', 'up', ' leading and trailing  ', 'two  spaces   three', 'line\r\nbreak\nand\ttab',
    '$BTC to the moon! #BTC $eth', '@someone is buying 2.5 $BTC at $20,000.00',
  'https://example.org/a?b=c&d=%20e#f', 'www.example.org/coins', 'naïve café résumé Ångström',
    'nai\u0308ve cafe\u0301 re\u0301sume\u0301', 'İstanbul ISPARTA ıI', 'ΟΔΥΣΣΕΥΣ ὈΔΥΣΣΕΎΣ',
  'no\u00a0break\u00a0space', 'thin\u2009space\u202fand\u3000wide', 'zero\u200bwidth\u200djoin\ufeffmark',
    'so\u00adft hy\u00adphen', '日本語とEnglishの混合', '中文，标点。', '한국어 조사가', '\u1112\u1161\u11ab\u1100\u1173\u11af',
  '👍', '👍🏽🚀🚀🚀', '👩‍👩‍👧‍👦 family', '🇩🇪🇫🇷', '1️⃣2️⃣', '❤️❤', '☹️ :-( :)', 'a\u0301\u0323\u0308b', 'e' + '\u0301'.repeat(40),
    '\u0323\u0301', 'a'.repeat(99), 'a'.repeat(100), 'a'.repeat(101), 'ab'.repeat(300),
  'bell\u0007null\u0000del\u007f', '\u0085next\u0085line', '\u2028line\u2029paragraph', 'private\ue000use', '\ufffd replaced',
    'noncharacter\uffff', '<mask>', ' a <mask> b', 'a<mask>b <mask>  <mask>', '[MASK] [SEP] [CLS] [PAD]',
    'the [SEP] inside[SEP]text',
  '<s> </s> <unk> <pad>', '<S> [sep]', "'s 'S don't DON'T they'll we've I'd 'tis", 'hello...!!!???',
    '«quotes» „low“ “high” ‘single’', 'dash - en – em — minus −', '…', 'ﬁne ﬂow', 'ＦＵＬＬ width ｶﾞ', '½ ² ³ ① Ⅷ ٣ ४',
    '12345 3.14 1,000,000 0x0A',
  'ราคาขึ้นทุกวันเลย', 'السَّعْرُ يرتفع اليوم', 'कीमत आज फिर गिर गई क्षि', 'המחיר יורד שוב', 'A mixed עברית and English',
    '\u202eoverride', 'Ǆ ǅ ẞ ß', '▁mark ▁▁', 'Ġbyte Ċ', '##ing ##', '_under_score_', 'snake_case camelCase', 'x²+y²=z²',
    'Ω Ω K Å', '‱ ‰ %', '𝓈𝒸𝓇𝒾𝓅𝓉 𝔘', '🏴󠁧󠁢󠁥󠁮󠁧󠁿', '<0x0A>', '``tex\'\'',
]

const corpus = join(here, 'corpus.tmp')
writeFileSync(corpus, Array(3).fill(seeds.concat(seeds.map(s => s.toUpperCase()),
  hard.filter(s => s.length < 80))).flat().join('\n'))

const whole = (model, parts) => ({ version: '1.0', truncation: null, padding: null, added_tokens: [], normalizer: null,
  pre_tokenizer: null, post_processor: null, decoder: null, ...parts, model })
const special = (content, more) => ({ id: 0, content, single_word: false, lstrip: false, rstrip: false, normalized: false,
  special: true, ...more })
const load = t => Tokenizer.fromString(JSON.stringify(t))

// train returns the model that the reference learns from the corpus.
function train (model, parts) {
  const t = load(whole(model, parts))
  t.train([corpus])
  const file = join(here, 'trained.tmp')
  t.save(file)
  const trained = JSON.parse(createRequire(import.meta.url)('node:fs').readFileSync(file, 'utf8')).model
  rmSync(file)
  return trained
}

// renumber puts tokens in front of a vocabulary.
function renumber (vocab, first) {
  const tokens = first.concat(Object.keys(vocab).filter(t => !first.includes(t)).sort((a, b) => vocab[a] - vocab[b]))
  return Object.fromEntries(tokens.map((t, i) => [t, i]))
}

// charsmap is a SentencePiece normaliser for a few rules: a double array and its replacements, each ended by a zero byte.
function charsmap (rules) {
  let blob = Buffer.alloc(0)
  const root = { next: new Map() }
  for (const [from, to] of Object.entries(rules)) {
    let node = root
    for (const b of Buffer.from(from)) {
      if (!node.next.has(b)) node.next.set(b, { next: new Map() })
      node = node.next.get(b)
    }
    node.value = blob.length
    blob = Buffer.concat([blob, Buffer.from(to + '\0')])
  }
  const units = new Map([[0, 0]])
  const place = (node, at, label) => {
    const labels = [...node.next.keys()].concat(node.value === undefined ? [] : [0])
    let base = 1
    while (labels.some(l => units.has(base ^ l))) base++
    for (const l of labels) units.set(base ^ l, l)
    units.set(at, (label | (node.value === undefined ? 0 : 256) | (at ^ base) << 10) >>> 0)
    if (node.value !== undefined) units.set(base, (node.value | 1 << 31) >>> 0)
    for (const [l, child] of node.next) place(child, base ^ l, l)
  }
  place(root, 0, 0)
  const size = Math.max(...units.keys()) + 257
  const out = Buffer.alloc(4 + 4 * size)
  out.writeUInt32LE(4 * size)
  for (let i = 0; i < size; i++) out.writeUInt32LE(units.has(i) ? units.get(i) : 0xFF, 4 + 4 * i)
  return Buffer.concat([out, blob]).toString('base64')
}

const rules = { '\u00a0': ' ', '\u2009': ' ', '\u202f': ' ', '\u3000': ' ', '\t': ' ', '\n': ' ', '\r': ' ', '\u200b': ' ',
  '\u200d': ' ', '\ufeff': ' ', '\u00ad': '', '\u0007': '', '\u007f': '', 'ﬁ': 'fi', 'ﬂ': 'fl', '…': '...', '½': '1⁄2', '²': '2',
  '³': '3', 'Ⅷ': 'VIII', '①': '1', 'e\u0301': 'é', 'i\u0308': 'ï', 'ｶ\uff9e': 'ガ', 'Ω': 'Ω', 'K': 'K' }
for (let c = 0xff01; c < 0xff5f; c++) rules[String.fromCharCode(c)] = String.fromCharCode(c - 0xfee0)

const bertNormalizer = { type: 'BertNormalizer', clean_text: true, handle_chinese_chars: true, strip_accents: null,
  lowercase: true }
const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true }
const precompiled = { type: 'Precompiled', precompiled_charsmap: charsmap(rules) }
const metaspace = { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true }
const regex = (type, Regex, more) => ({ type, pattern: { Regex }, ...more })
const sequence = (...normalizers) => ({ type: 'Sequence', normalizers })
const steps = (...pretokenizers) => ({ type: 'Sequence', pretokenizers })
const template = (cls, sep, vocab) => ({
  type: 'TemplateProcessing',
  single: [{ SpecialToken: { id: cls, type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }, { SpecialToken: { id: sep,
    type_id: 0 } }],
  pair: [{ Sequence: { id: 'A', type_id: 0 } }, { Sequence: { id: 'B', type_id: 1 } }],
  special_tokens: Object.fromEntries([cls, sep].map(t => [t, { id: t, ids: [vocab[t]], tokens: [t] }])),
})

const bertTokens = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]']
const robertaTokens = ['<s>', '<pad>', '</s>', '<unk>', '<mask>']
const wordPiece = train({ type: 'WordPiece', unk_token: '[UNK]', continuing_subword_prefix: '##', max_input_chars_per_word: 100,
  vocab: { '[UNK]': 0 } }, { normalizer: bertNormalizer, pre_tokenizer: { type: 'BertPreTokenizer' } })
wordPiece.vocab = renumber(wordPiece.vocab, bertTokens)
const cased = train({ ...wordPiece, vocab: { '[UNK]': 0 } }, { pre_tokenizer: { type: 'Whitespace' } })
cased.vocab = renumber(cased.vocab, ['[UNK]'])
const bytes = train({ type: 'BPE', dropout: null, unk_token: null, continuing_subword_prefix: null, end_of_word_suffix: null,
  fuse_unk: false, byte_fallback: false, ignore_merges: false, vocab: {}, merges: [] }, { pre_tokenizer: byteLevel })
const alphabet = Array.from({ length: 256 }, (_,
  b) => String.fromCharCode(b <= 32 ? 0x100 + b : b < 0x7f ? b : b <= 0xa0 ? 0x121 + b - 0x7f : b === 0xad ? 0x143 : b))
bytes.vocab = renumber(bytes.vocab, robertaTokens.concat(alphabet))
const unigram = train({ type: 'Unigram', unk_id: 0, vocab: [['<unk>', 0]], byte_fallback: false }, { normalizer: precompiled,
  pre_tokenizer: metaspace })
unigram.vocab = robertaTokens.slice(0, 4).map(t => [t, 0]).concat(unigram.vocab.filter(([t]) => t !== '<unk>'), [['<mask>', 0]])
unigram.unk_id = 3

const robertaAdded = robertaTokens.map(t => special(t, { normalized: t !== '<mask>', lstrip: t === '<mask>' }))
const robertaPost = { type: 'RobertaProcessing', sep: ['</s>', 2], cls: ['<s>', 0], trim_offsets: true, add_prefix_space: false }
const golden = {}
const note = (name, tokenizer) => tokenizer.encodeBatch(hard).then(all => { golden[name] = all.map(e => e.getIds()) })
const write = (name, file, text) => {
  mkdirSync(join(here, name), { recursive: true })
  writeFileSync(join(here, name, file), typeof text === 'string' ? text : JSON.stringify(text) + '\n')
}

// wordpiece: vocab.txt alone, as for BERT.
write('wordpiece', 'vocab.txt', Object.keys(wordPiece.vocab).sort((a,
  b) => wordPiece.vocab[a] - wordPiece.vocab[b]).join('\n') + '\n')
await note('wordpiece', load(whole(wordPiece, { normalizer: bertNormalizer, pre_tokenizer: { type: 'BertPreTokenizer' },
  post_processor: template('[CLS]', '[SEP]', wordPiece.vocab), added_tokens: bertTokens.map(t => special(t)) })))

// bytelevel: vocab.json and merges.txt, as for RoBERTa.
write('bytelevel', 'vocab.json', bytes.vocab)
write('bytelevel', 'merges.txt', '#version: 0.2\n' + bytes.merges.map(m => m.join(' ') + '\n').join(''))
write('bytelevel', 'special_tokens_map.json', { bos_token: '<s>', cls_token: '<s>', eos_token: '</s>', sep_token: '</s>',
  pad_token: '<pad>', unk_token: '<unk>', mask_token: { content: '<mask>', lstrip: true, normalized: false, rstrip: false,
  single_word: false } })
await note('bytelevel', load(whole({ ...bytes, merges: bytes.merges.map(m => m.join(' ')) }, { pre_tokenizer: byteLevel,
  post_processor: robertaPost, added_tokens: robertaAdded })))

// unigram: tokenizer.json, as for XLM-R.
const xlmr = whole(unigram, { normalizer: sequence(precompiled, regex('Replace', ' {2,}', { content: ' ' })),
  pre_tokenizer: metaspace, post_processor: template('<s>', '</s>', { '<s>': 0, '</s>': 2 }),
  added_tokens: robertaTokens.map(t => special(t, { lstrip: t === '<mask>' })) })
write('unigram', 'tokenizer.json', xlmr)
await note('unigram', load(xlmr))

// variants: other components around the same models.
const hexes = Object.fromEntries(Array.from({ length: 256 }, (_, b) => ['<0x' + b.toString(16).toUpperCase().padStart(2,
  '0') + '>', b]))
const words = { pre_tokenizer: { type: 'WhitespaceSplit' } }
const gpt4 = "'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}|" +
  " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+"
const variants = {
  'NFC, whitespace': [cased, { normalizer: { type: 'NFC' }, pre_tokenizer: { type: 'Whitespace' } }],
  'NFD, accents, lower case': [cased, { normalizer: sequence({ type: 'NFD' }, { type: 'StripAccents' }, { type: 'Lowercase' }),
    pre_tokenizer: { type: 'Whitespace' } }],
  'NFKC, punctuation': [cased, { normalizer: { type: 'NFKC' }, pre_tokenizer: steps({ type: 'WhitespaceSplit' },
    { type: 'Punctuation' }) }],
  'NFKD, digits': [cased, { normalizer: { type: 'NFKD' }, pre_tokenizer: steps({ type: 'WhitespaceSplit' }, { type: 'Digits',
    individual_digits: true }) }],
  'runs of digits': [cased, { pre_tokenizer: steps({ type: 'WhitespaceSplit' }, { type: 'Digits', individual_digits: false }) }],
  'BERT cased': [cased, { normalizer: { ...bertNormalizer, lowercase: false }, pre_tokenizer: { type: 'BertPreTokenizer' } }],
  'BERT, accents kept': [cased, { normalizer: { ...bertNormalizer, clean_text: false, handle_chinese_chars: false,
    strip_accents: false }, pre_tokenizer: { type: 'BertPreTokenizer' } }],
  'added tokens': [cased, { normalizer: { type: 'Lowercase' }, ...words, added_tokens: [special('The', { single_word: true,
    normalized: true, special: false }), special('ou', { single_word: true }), special('$BTC', { lstrip: true, rstrip: true }),
    special('a<mask>', {}), special('<mask>', { rstrip: true }), special('new token', { normalized: true, special: false })] }],
  'strip, prepend, replace': [{ ...unigram, vocab: unigram.vocab.concat(Object.keys(hexes).map(t => [t, 0])),
    byte_fallback: true }, { normalizer: sequence({ type: 'Strip', strip_left: true, strip_right: true }, { type: 'Nmt' },
    { type: 'Prepend', prepend: '▁' }, { type: 'Replace', pattern: { String: ' ' }, content: '▁' }) }],
  'metaspace first': [unigram, { normalizer: { type: 'Strip', strip_left: true, strip_right: false },
    pre_tokenizer: { ...metaspace, prepend_scheme: 'first', split: false }, added_tokens: [special('<mask>')] }],
  'old XLM-R, no type': [{ ...unigram, type: undefined }, { normalizer: precompiled,
    pre_tokenizer: steps({ type: 'WhitespaceSplit' }, { type: 'Metaspace', replacement: '▁', add_prefix_space: true,
    str_rep: '▁' }) }],
  'byte-level, prefix space': [bytes, { pre_tokenizer: { ...byteLevel, add_prefix_space: true },
    post_processor: { type: 'Sequence', processors: [byteLevel, robertaPost] } }],
  'byte-level, own pattern': [{ ...bytes, ignore_merges: true }, { pre_tokenizer: steps(regex('Split', gpt4,
    { behavior: 'Isolated', invert: false }), { ...byteLevel, use_regex: false }) }],
  'byte-level normalizer, no type': [{ ...bytes, type: undefined }, { normalizer: { type: 'ByteLevel' },
    post_processor: { type: 'BertProcessing', sep: ['</s>', 2], cls: ['<s>', 0] } }],
  'BPE with byte fallback': [{ ...bytes, byte_fallback: true, unk_token: '<unk>', vocab: { ...bytes.vocab,
    ...Object.fromEntries(Object.entries(hexes).filter(([, b]) => b < 0xf0).map(([t, b]) => [t, b + 10000])) } }, words],
  'BPE, fused unknown': [{ ...bytes, unk_token: '<unk>', fuse_unk: true }, words],
}
for (const behavior of ['Removed', 'Isolated', 'MergedWithPrevious', 'MergedWithNext', 'Contiguous']) {
  variants['punctuation ' + behavior] = [cased, { pre_tokenizer: steps({ type: 'WhitespaceSplit' }, { type: 'Punctuation',
    behavior }) }]
  variants['split ' + behavior] = [cased, { pre_tokenizer: steps({ type: 'WhitespaceSplit' }, regex('Split',
    "[\\d']+|[^\\w\\s.]", { behavior, invert: false })) }]
  variants['inverted split ' + behavior] = [cased, { pre_tokenizer: regex('Split', '\\w+', { behavior, invert: true }) }]
  variants['string split ' + behavior] = [cased, { pre_tokenizer: { type: 'Split', pattern: { String: ' ' }, behavior,
    invert: false } }]
}
const models = [cased, bytes, unigram]
const list = []
for (const [name, [model, parts]] of Object.entries(variants)) {
  await note(name, load(JSON.parse(JSON.stringify(whole(model, parts)))))
  // The tokenizer is stored as what it changes of one of the models, lest the vocabularies be repeated.
  const base = models.findIndex(m => m.continuing_subword_prefix === model.continuing_subword_prefix &&
    (m.merges === undefined) === (model.merges === undefined))
  const changed = Object.entries({ ...model, type: model.type ?? null })
    .filter(([k, v]) => models[base][k] !== v && k !== 'vocab')
  const changes = Object.fromEntries(changed)
  const more = Array.isArray(model.vocab)
    ? model.vocab.slice(unigram.vocab.length)
    : Object.entries(model.vocab).slice(Object.keys(models[base].vocab).length)
  list.push({ name, base: ['cased', 'bytelevel', 'unigram'][base], changes, more, parts })
}
write('variants', 'variants.json', { models: { cased, bytelevel: bytes, unigram }, variants: list })
write('variants', 'golden.json', { texts: hard, ids: golden })
rmSync(corpus)
