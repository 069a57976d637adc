using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>"The war lasted from the year 1713 to the year 17": the next two digits must be greater (the second task of Makelov et al. 2024).</summary>
/// <remarks>One attribute, the year's last two digits, 01 to 19. The only named place is the last token.</remarks>
public sealed class GreaterThanTask : ITaskDistribution
{
    private const int YearCount = 19;
    private const int TwoDigits = 100;
    private const string Century = "17";

    private readonly string[][] sentences;
    private readonly Func<string, long> tokenOf;
    private readonly long? startToken;
    private readonly long[] years;

    /// <summary>Makes it over a vocabulary in which the century and every pair of digits is one token.</summary>
    /// <param name="tokenOf">The token of a word; fails for a word that is not one token. Digits are asked for as <c>17</c> and <c>03</c>.</param>
    /// <param name="events">Nouns for what lasted.</param>
    /// <param name="startToken">A token that begins every prompt; null for none.</param>
    /// <exception cref="ArgumentException">Two pairs of digits share a token, or there is no noun.</exception>
    public GreaterThanTask(Func<string, long> tokenOf, IReadOnlyList<string> events, long? startToken = null)
    {
        ArgumentNullException.ThrowIfNull(tokenOf);
        ArgumentNullException.ThrowIfNull(events);
        if (events.Count == 0)
            throw new ArgumentException("At least one noun is needed.", nameof(events));
        (this.tokenOf, this.startToken) = (tokenOf, startToken);
        sentences = [.. events.Select(noun => $"The {noun} lasted from the year {Century} YY to the year {Century}".Split(' '))];
        years = [.. Enumerable.Range(0, TwoDigits).Select(year => tokenOf(Digits(year)))];
        if (years.Distinct().Count() != TwoDigits)
            throw new ArgumentException("Two pairs of digits share a token; every pair from 00 to 99 must be a single token of its own.", nameof(tokenOf));
    }

    /// <summary>Nouns that suit the sentence.</summary>
    public static IReadOnlyList<string> Events { get; } = ["war", "siege", "famine", "drought", "reign", "voyage", "truce", "plague", "trial", "revolt", "journey", "dispute"];

    /// <inheritdoc/>
    public IReadOnlyList<AttributeBlock> Attributes { get; } = [new("year", [0], [YearCount])];

    /// <summary>The task over a vocabulary made of its own words, for models trained on it: token 0 starts every prompt.</summary>
    public static (GreaterThanTask Task, long VocabSize) WithOwnVocabulary()
    {
        string[] words = ["The", "lasted", "from", "the", "year", "to", .. Events, .. Enumerable.Range(0, TwoDigits).Select(Digits)];
        var table = words.Index().ToDictionary(word => word.Item, word => word.Index + 1L);
        return (new(word => table[word], Events, startToken: 0), words.Length + 1);
    }

    /// <inheritdoc/>
    public TaskBatch Draw(int count, Generator random)
    {
        ArgumentNullException.ThrowIfNull(random);
        LibTorch.EnsureLoaded();
        using var scope = NewDisposeScope();
        var events = randint(0, sentences.Length, [count], ScalarType.Int64, generator: random).data<long>().ToArray();
        var values = randint(0, YearCount, [count], ScalarType.Int64, generator: random).data<long>().ToArray();
        return Batch(events, values);
    }

    /// <inheritdoc/>
    public TaskBatch Counterfactual(TaskBatch batch, string attribute, Generator random)
    {
        if (batch is not GreaterThanBatch own)
            throw new ArgumentException($"{batch?.GetType().Name} is no batch of this task.", nameof(batch));
        if (attribute != "year")
            throw new ArgumentException($"'{attribute}' is no attribute; the only one is year.", nameof(attribute));
        using var scope = NewDisposeScope();
        var values = own.Attributes.data<long>().ToArray();
        var shifts = randint(1, YearCount, [values.Length], ScalarType.Int64, generator: random).data<long>().ToArray();
        return Batch([.. own.Events], [.. values.Zip(shifts, (value, shift) => (value + shift) % YearCount)]);
    }

    private GreaterThanBatch Batch(long[] events, long[] values)
    {
        using var scope = NewDisposeScope();
        var rows = events.Zip(values, (noun, value) => Tokens(sentences[noun], value + 1)).ToArray();
        var length = sentences[0].Length + (startToken is null ? 0 : 1);
        return new GreaterThanBatch(
            events,
            tensor(rows.SelectMany(row => row).ToArray()).reshape(rows.Length, length),
            full([rows.Length, 1], length - 1, ScalarType.Int64),
            tensor(values).reshape(-1, 1),
            tensor(years));
    }

    private IEnumerable<long> Tokens(string[] sentence, long year)
    {
        if (startToken is { } start)
            yield return start;
        foreach (var word in sentence)
            yield return tokenOf(word == "YY" ? Digits((int)year) : word);
    }

    private static string Digits(int year) => year.ToString("D2", System.Globalization.CultureInfo.InvariantCulture);
}

/// <summary>Prompts of the greater-than task; owns its tensors.</summary>
public sealed class GreaterThanBatch : TaskBatch
{
    internal GreaterThanBatch(IReadOnlyList<long> events, Tensor tokens, Tensor positions, Tensor attributes, Tensor yearTokens)
        : base(tokens, positions, attributes)
    {
        Events = events;
        YearTokens = yearTokens.DetachFromDisposeScope();
    }

    /// <summary>Tokens (100) of the digits 00 to 99.</summary>
    public Tensor YearTokens { get; }

    internal IReadOnlyList<long> Events { get; }

    /// <summary>Probability of the years after the prompt's, less that of the years up to it, of each prompt (B).</summary>
    /// <inheritdoc/>
    public override Tensor Scores(Tensor logits)
    {
        ArgumentNullException.ThrowIfNull(logits);
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var chances = logits.to(ScalarType.Float64).softmax(-1).index_select(1, YearTokens.to(logits.device)); // (B, 100)
        var later = arange(YearTokens.size(0), device: logits.device).unsqueeze(0).gt(Attributes.to(logits.device) + 1);
        return (chances * where(later, 1.0, -1.0)).sum(1).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
            YearTokens.Dispose();
        base.Dispose(disposing);
    }
}
