using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Draws IOI prompts and their counterfactuals, and turns them into tokens.</summary>
public sealed class IoiDataset : ITaskDistribution
{
    private static readonly string[] slots = ["A", "B", "C", "PLACE", "OBJECT"];

    private readonly IoiWords words;
    private readonly Func<string, long> tokenOf;
    private readonly string[][] templates;
    private readonly long? startToken;

    /// <summary>Makes it over a vocabulary of words.</summary>
    /// <param name="words">Words and templates.</param>
    /// <param name="tokenOf">The token of a word; fails for a word that is not one token.</param>
    /// <param name="startToken">A token that begins every prompt; null for none.</param>
    /// <exception cref="ArgumentException">Templates differ in length or lack a slot, names repeat, places or objects are missing, or a word is no single token.</exception>
    public IoiDataset(IoiWords words, Func<string, long> tokenOf, long? startToken = null)
    {
        ArgumentNullException.ThrowIfNull(words);
        ArgumentNullException.ThrowIfNull(tokenOf);
        this.words = words;
        this.tokenOf = tokenOf;
        this.startToken = startToken;
        templates = [.. words.Templates.Select(template => template.Split(' '))];
        if (templates.Length == 0 || templates.Any(template => template.Length != templates[0].Length))
            throw new ArgumentException($"Templates must have one length; theirs are {string.Join(", ", templates.Select(template => template.Length))} words.", nameof(words));
        foreach (var template in templates)
        {
            if (template.Count(word => word == "A") != 1 || template.Count(word => word == "B") != 1 || template.Count(word => word == "C") != 1)
                throw new ArgumentException($"A template needs the slots A, B and C once each: '{string.Join(' ', template)}'.", nameof(words));
        }
        if (words.Names.Count < 4 || words.Names.Distinct().Count() != words.Names.Count)
            throw new ArgumentException($"At least four different names are needed; got {words.Names.Count}, {words.Names.Distinct().Count()} of them different.", nameof(words));
        long[] sizes = [words.Names.Count, words.Names.Count, 2];
        Attributes = [.. IoiBatch.AttributeNames.Index().Select(name => new AttributeBlock(name.Item, [name.Index], [sizes[name.Index]]))];
        if (words.Places.Count == 0 || words.Objects.Count == 0)
            throw new ArgumentException($"Places and Objects need a word each; got {words.Places.Count} and {words.Objects.Count}.", nameof(words));
        // Every other word is asked for too, so that one that is no token fails here and not at some draw.
        foreach (var word in templates.SelectMany(template => template).Except(slots).Concat(words.Places).Concat(words.Objects))
            _ = tokenOf(word);
        var tokens = words.Names.ToDictionary(name => name, tokenOf);
        if (tokens.Values.Distinct().Count() != tokens.Count)
            throw new ArgumentException("Two names share a token; every name must be a single token of its own.", nameof(words));
    }

    /// <inheritdoc/>
    public IReadOnlyList<AttributeBlock> Attributes { get; }

    internal int NameCount => words.Names.Count;

    /// <summary>A dataset over a vocabulary made of its own words, for models trained on it: token 0 starts every prompt.</summary>
    public static (IoiDataset Dataset, long VocabSize) WithOwnVocabulary(IoiWords words)
    {
        ArgumentNullException.ThrowIfNull(words);
        string[] all = [.. words.Templates.SelectMany(template => template.Split(' ')).Except(slots), .. words.Names, .. words.Places, .. words.Objects];
        var table = all.Distinct().Index().ToDictionary(word => word.Item, word => word.Index + 1L);
        return (new(words, word => table.TryGetValue(word, out var token) ? token : throw new ArgumentException($"'{word}' is no word of the vocabulary."), startToken: 0), table.Count + 1);
    }

    /// <summary>Draws prompts; half are ABB, half BAB.</summary>
    /// <param name="count">How many.</param>
    /// <param name="random">Source of randomness.</param>
    /// <param name="names">Indices of the names to draw from; all by default.</param>
    public IReadOnlyList<IoiPrompt> Draw(int count, Generator random, IReadOnlyList<int>? names = null)
    {
        ArgumentNullException.ThrowIfNull(random);
        names ??= [.. Enumerable.Range(0, words.Names.Count)];
        if (names.Count < 2)
            throw new ArgumentException("At least two names are needed.", nameof(names));
        var io = Random(names.Count, count, random);
        var shift = Random(names.Count - 1, count, random);
        var (template, place, thing) = (Random(templates.Length, count, random), Random(words.Places.Count, count, random), Random(words.Objects.Count, count, random));
        return [.. Enumerable.Range(0, count).Select(index => new IoiPrompt(
            (int)template[index], names[(int)io[index]], names[(int)((io[index] + 1 + shift[index]) % names.Count)], index % 2 == 0, (int)place[index], (int)thing[index]))];
    }

    /// <summary>The same prompts with one attribute changed.</summary>
    /// <param name="prompts">The prompts.</param>
    /// <param name="attribute">io, s or io_pos.</param>
    /// <param name="random">Source of randomness.</param>
    /// <param name="names">Names that new values come from: none that a prompt already has; all by default.</param>
    public IReadOnlyList<IoiPrompt> Counterfactual(IReadOnlyList<IoiPrompt> prompts, string attribute, Generator random, IReadOnlyList<int>? names = null)
    {
        ArgumentNullException.ThrowIfNull(prompts);
        ArgumentNullException.ThrowIfNull(random);
        if (!IoiBatch.AttributeNames.Contains(attribute))
            throw new ArgumentException($"'{attribute}' is no attribute; they are {string.Join(", ", IoiBatch.AttributeNames)}.", nameof(attribute));
        names ??= [.. Enumerable.Range(0, words.Names.Count)];
        var draws = Random(int.MaxValue, prompts.Count, random);
        return [.. prompts.Select((prompt, index) =>
        {
            int[] free = [.. names.Where(name => name != prompt.Io && name != prompt.S)];
            if (attribute == "io_pos")
                return prompt with { IsIoFirst = !prompt.IsIoFirst };
            var name = free.Length > 0 ? free[draws[index] % free.Length] : throw new ArgumentException("No name is left that the prompt does not have.", nameof(names));
            return attribute == "io" ? prompt with { Io = name } : prompt with { S = name };
        })];
    }

    TaskBatch ITaskDistribution.Draw(int count, Generator random) => Tokenize(Draw(count, random));

    TaskBatch ITaskDistribution.Counterfactual(TaskBatch batch, string attribute, Generator random) => batch is IoiBatch own
        ? Tokenize(Counterfactual(own.Prompts, attribute, random))
        : throw new ArgumentException($"{batch?.GetType().Name} is no batch of this task.", nameof(batch));

    /// <summary>Prompts as tensors; the caller disposes the batch.</summary>
    public IoiBatch Tokenize(IReadOnlyList<IoiPrompt> prompts)
    {
        ArgumentNullException.ThrowIfNull(prompts);
        LibTorch.EnsureLoaded();
        using var scope = NewDisposeScope();
        var lead = startToken is null ? 0 : 1;
        var length = templates[0].Length + lead;
        var (tokens, positions) = (new long[prompts.Count * length], new long[prompts.Count * 5]);
        foreach (var (row, prompt) in prompts.Index())
        {
            var template = templates[prompt.Template];
            var (first, second, subject) = (Array.IndexOf(template, "A") + lead, Array.IndexOf(template, "B") + lead, Array.IndexOf(template, "C") + lead);
            var (io, s1) = prompt.IsIoFirst ? (first, second) : (second, first);
            long[] places = [io, s1, s1 + 1, subject, length - 1];
            places.CopyTo(positions, row * 5);
            if (startToken is { } start)
                tokens[row * length] = start;
            foreach (var (column, word) in template.Index())
                tokens[row * length + column + lead] = tokenOf(Word(prompt, word));
        }
        return new IoiBatch(
            prompts,
            tensor(tokens).reshape(prompts.Count, length),
            tensor(positions).reshape(prompts.Count, 5),
            tensor(prompts.SelectMany(prompt => prompt.Attributes).ToArray()).reshape(prompts.Count, 3),
            tensor(prompts.Select(prompt => tokenOf(words.Names[prompt.Io])).ToArray()),
            tensor(prompts.Select(prompt => tokenOf(words.Names[prompt.S])).ToArray()));
    }

    /// <summary>The hash of all words and templates, with the tokens they have.</summary>
    internal string Key()
    {
        IEnumerable<string> With(string kind, IEnumerable<string> all) => all.Select(word => $"{kind} {word} {tokenOf(word)}");
        return ContentHash.Of([
            $"start {startToken}",
            .. templates.Select(template => $"template {string.Join(' ', template)}"),
            .. With("word", templates.SelectMany(template => template).Except(slots)),
            .. With("name", words.Names),
            .. With("place", words.Places),
            .. With("object", words.Objects)]);
    }

    private string Word(IoiPrompt prompt, string slot) => slot switch
    {
        "A" => words.Names[prompt.IsIoFirst ? prompt.Io : prompt.S],
        "B" => words.Names[prompt.IsIoFirst ? prompt.S : prompt.Io],
        "C" => words.Names[prompt.S],
        "PLACE" => words.Places[prompt.Place],
        "OBJECT" => words.Objects[prompt.Thing],
        _ => slot,
    };

    private static long[] Random(long limit, int count, Generator random)
    {
        LibTorch.EnsureLoaded();
        using var values = randint(0, limit, [count], ScalarType.Int64, generator: random);
        return values.data<long>().ToArray();
    }
}
