using static TorchSharp.torch;

namespace LmKit;

/// <summary>The ids of passkey retrieval over a vocabulary without words.</summary>
public sealed class PasskeyTokensOptions
{
    /// <summary>Ids of which keys are made, all different within a key; no default.</summary>
    public IReadOnlyList<int> Digits { get; set; } = [];

    /// <summary>Digits of a key. Default 4.</summary>
    public int DigitCount { get; set; } = 4;

    /// <summary>The sentence that is repeated between keys; no default.</summary>
    public IReadOnlyList<int> Filler { get; set; } = [];

    /// <summary>What announces a key; no default.</summary>
    public int Key { get; set; } = -1;

    /// <summary>What asks for one; no default.</summary>
    public int Query { get; set; } = -1;

    /// <summary>Names of keys, where a prompt hides several: they stand behind <see cref="Key"/> and <see cref="Query"/>. None, the default, for prompts
    /// with one key, which has no name.</summary>
    public IReadOnlyList<int> Labels { get; set; } = [];

    /// <summary>What stands first; null, the default, for nothing.</summary>
    public int? Begin { get; set; }
}

/// <summary>Passkey retrieval in ids: beginning, filler with <c>KEY label digits</c> in it, <c>QUERY label</c>.</summary>
public sealed class PasskeyTokens : PasskeyTask
{
    private readonly PasskeyTokensOptions options;

    /// <summary>Makes the task.</summary>
    /// <exception cref="ArgumentException">An id is missing or below 0; names it.</exception>
    public PasskeyTokens(PasskeyTokensOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        const string Name = nameof(PasskeyTokensOptions);
        if (options.DigitCount < 1 || options.DigitCount > options.Digits.Count)
            throw new ArgumentException($"{Name}.{nameof(options.DigitCount)} = {options.DigitCount} different digits cannot be drawn of {options.Digits.Count} in {nameof(options.Digits)}.", nameof(options));
        if (options.Filler.Count == 0)
            throw new ArgumentException($"{Name}.{nameof(options.Filler)} is empty; a key is hidden in something.", nameof(options));
        foreach (var (name, id) in ((string Name, int Id)[])[(nameof(options.Key), options.Key), (nameof(options.Query), options.Query), (nameof(options.Begin), options.Begin ?? 0), .. options.Digits.Select(id => (nameof(options.Digits), id)), .. options.Filler.Select(id => (nameof(options.Filler), id)), .. options.Labels.Select(id => (nameof(options.Labels), id))])
        {
            if (id < 0)
                throw new ArgumentException($"{Name}.{name} = {id} is not a token id.", nameof(options));
        }
        this.options = options;
    }

    /// <inheritdoc/>
    public override int MaxKeyCount => Math.Max(1, options.Labels.Count);

    /// <inheritdoc/>
    public override int AnswerLength => options.DigitCount;

    /// <inheritdoc/>
    public override PasskeyPrompt Make(long length, int keyCount, double? depth, Generator random)
    {
        ArgumentNullException.ThrowIfNull(random);
        Check(keyCount, depth);
        var named = options.Labels.Count > 0 ? 1 : 0;
        var filler = length - (options.Begin is null ? 0 : 1) - keyCount * (1 + named + options.DigitCount) - 1 - named;
        if (filler < keyCount)
            throw new ArgumentException($"A prompt of {length} tokens has no room for {keyCount} keys of {1 + named + options.DigitCount} tokens, a question and filler between them.", nameof(length));
        var (slots, asked) = Places((int)filler + 1, keyCount, depth, random);
        var labels = named == 0 ? [0] : DrawDifferent(keyCount, options.Labels.Count, random);
        PasskeyKey[] keys = [.. labels.Select(label => new PasskeyKey(label, [.. DrawDifferent(options.DigitCount, options.Digits.Count, random).Select(digit => options.Digits[digit])]))];
        var tokens = new List<int>((int)length);
        if (options.Begin is { } begin)
            tokens.Add(begin);
        var next = 0;
        for (var slot = 0; slot <= filler; slot++)
        {
            if (next < keyCount && slots[next] == slot)
            {
                tokens.AddRange([options.Key, .. Label(keys[next]), .. keys[next].Value]);
                next++;
            }
            if (slot < filler)
                tokens.Add(options.Filler[slot % options.Filler.Count]);
        }
        tokens.AddRange([options.Query, .. Label(keys[asked])]);
        return new PasskeyPrompt(tokens, keys[asked], slots[asked] / (double)filler);

        int[] Label(PasskeyKey key) => named == 0 ? [] : [options.Labels[key.Label]];
    }

    /// <inheritdoc/>
    public override bool IsRight(PasskeyPrompt prompt, IReadOnlyList<int> given)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        ArgumentNullException.ThrowIfNull(given);
        return given.Take(options.DigitCount).SequenceEqual(prompt.Answer.Value);
    }
}
