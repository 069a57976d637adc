using System.ComponentModel.DataAnnotations;
using System.Text;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>How questions are asked.</summary>
public sealed class MultipleChoiceOptions
{
    /// <summary>The names of a file's fields.</summary>
    public MultipleChoiceFields Fields { get; set; } = new();

    /// <summary>What stands before every context, such as questions with their answers. Default none.</summary>
    public string Prefix { get; set; } = "";

    /// <summary>What stands between context and choice. Default a space.</summary>
    public string Delimiter { get; set; } = " ";

    /// <summary>A token before everything; null, the default, for none. A context without a token needs one.</summary>
    public int? PrefixToken { get; set; }

    /// <summary>Tokens that are read at most; longer contexts lose tokens at their beginning. 0, the default, stands for the longest that the model reads
    /// (<see cref="ILanguageModel.ContextLength"/>).</summary>
    [Range(0, int.MaxValue)]
    public long ContextLength { get; set; }

    /// <summary>Choices at a time. Default 8.</summary>
    [Range(1, 1 << 20)]
    public int BatchSize { get; set; } = 8;
}

/// <summary>Asks a model questions with choices: the answer is the choice whose tokens are likeliest after the context.</summary>
/// <remarks>As the usual harness does it, context and choice are encoded together and cut where the context alone ends; spaces at the context's end
/// go to the choice. The likelihood of a choice is the sum of log p of its tokens; divided by its characters or bytes it does not favour short ones.</remarks>
public static class MultipleChoice
{
    /// <summary>Asks the questions of a file with one JSON object a line.</summary>
    /// <param name="model">The model, in evaluation mode.</param>
    /// <param name="tokenizer">Its tokenizer.</param>
    /// <param name="path">The file.</param>
    /// <param name="options">How they are asked; null for the defaults.</param>
    /// <param name="progress">Told how many questions are done, on the caller's thread; null for nobody.</param>
    /// <param name="cancellation">Stops between batches.</param>
    /// <exception cref="TextDataException">A line cannot be read; names file, line and field.</exception>
    /// <exception cref="ArgumentException">An option, a question or the model does not fit; names it.</exception>
    public static MultipleChoiceResult Run(ILanguageModel model, ModelTokenizer tokenizer, string path, MultipleChoiceOptions? options = null, Action<int>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        return Run(model, tokenizer, MultipleChoiceFile.Read(path, (options?.Fields) ?? new MultipleChoiceFields()), options, progress, cancellation);
    }

    /// <summary>Asks questions.</summary>
    /// <param name="model">The model, in evaluation mode.</param>
    /// <param name="tokenizer">Its tokenizer.</param>
    /// <param name="items">The questions.</param>
    /// <param name="options">How they are asked; null for the defaults.</param>
    /// <param name="progress">Told how many questions are done, on the caller's thread; null for nobody.</param>
    /// <param name="cancellation">Stops between batches.</param>
    /// <exception cref="ArgumentException">An option, a question or the model does not fit; names it.</exception>
    public static MultipleChoiceResult Run(ILanguageModel model, ModelTokenizer tokenizer, IEnumerable<MultipleChoiceItem> items, MultipleChoiceOptions? options = null, Action<int>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentNullException.ThrowIfNull(items);
        options ??= new MultipleChoiceOptions();
        OptionRanges.Check(options);
        ScoredRows.Check(model, options.PrefixToken, $"{nameof(MultipleChoiceOptions)}.{nameof(options.PrefixToken)}");
        if (options.ContextLength > model.ContextLength)
            throw new ArgumentException($"{nameof(MultipleChoiceOptions)}.{nameof(options.ContextLength)} = {options.ContextLength} is longer than the {model.ContextLength} tokens that the model reads.", nameof(options));
        using var frozen = no_grad();
        var asking = new Asking(model, tokenizer, options);
        var answered = new List<MultipleChoiceAnswer>();
        var waiting = new List<(MultipleChoiceItem Item, Row[] Rows)>();
        foreach (var (index, item) in items.Index())
        {
            waiting.Add((item, asking.Encode(item, index)));
            if (waiting.Sum(one => one.Rows.Length) >= options.BatchSize)
                Answer();
        }
        Answer();
        return answered.Count > 0 ? new MultipleChoiceResult(answered) : throw new ArgumentException("There is no question to ask.", nameof(items));

        void Answer()
        {
            if (waiting.Count == 0)
                return;
            var scores = waiting.SelectMany(one => one.Rows).Chunk(options.BatchSize).SelectMany(rows =>
            {
                cancellation.ThrowIfCancellationRequested();
                return asking.Score(rows);
            }).ToArray();
            var next = 0;
            foreach (var (item, rows) in waiting)
            {
                answered.Add(new MultipleChoiceAnswer(item, [.. scores[next..(next + rows.Length)]], rows.Any(row => row.IsCut)));
                next += rows.Length;
                progress?.Invoke(answered.Count);
            }
            waiting.Clear();
        }
    }

    /// <summary>Compares the answers to the same questions before and after a change.</summary>
    /// <exception cref="ArgumentException">They are not of the same questions.</exception>
    public static MultipleChoiceComparison Compare(MultipleChoiceResult before, MultipleChoiceResult after)
    {
        ArgumentNullException.ThrowIfNull(before);
        ArgumentNullException.ThrowIfNull(after);
        if (before.Answers.Count != after.Answers.Count)
            throw new ArgumentException($"There are {before.Answers.Count} answers before and {after.Answers.Count} after; compare answers to the same questions.", nameof(after));
        for (var index = 0; index < before.Answers.Count; index++)
        {
            var (first, second) = (before.Answers[index].Item, after.Answers[index].Item);
            if (first.Context != second.Context || first.Answer != second.Answer || !first.Choices.SequenceEqual(second.Choices))
                throw new ArgumentException($"Question {index} is another one after than before; compare answers to the same questions.", nameof(after));
        }
        double[] differences = [.. before.Answers.Zip(after.Answers, (first, second) => (second.IsRight ? 1.0 : 0) - (first.IsRight ? 1.0 : 0))];
        var (gained, lost) = (differences.Count(value => value > 0), differences.Count(value => value < 0));
        return new MultipleChoiceComparison(Estimate.OfValues(differences, "questions", "after - before, paired"), gained, lost, SignTest(gained, lost));
    }

    // Two-sided exact sign test of the questions whose answer changed (McNemar): sums of binomial probabilities, by logarithms.
    private static double SignTest(int gained, int lost)
    {
        var count = gained + lost;
        var (term, sum) = (-count * Math.Log(2), 0.0);
        for (var hits = 0; hits <= Math.Min(gained, lost); hits++)
        {
            sum += Math.Exp(term);
            term += Math.Log(count - hits) - Math.Log(hits + 1);
        }
        return Math.Min(1, 2 * sum);
    }

    /// <summary>A choice behind its context: the tokens from <paramref name="From"/> on are the choice's.</summary>
    private sealed record Row(int[] Tokens, int From, bool IsCut, string Place);

    private sealed class Asking(ILanguageModel model, ModelTokenizer tokenizer, MultipleChoiceOptions options)
    {
        private readonly ScoredRows scored = new(model);
        private readonly long? longest = options.ContextLength > 0 ? options.ContextLength : model.ContextLength;

        internal Row[] Encode(MultipleChoiceItem item, int index)
        {
            var place = item.Place.Length > 0 ? item.Place : $"question {index}";
            if (item.Choices.Count < 2)
                throw new ArgumentException($"{place}: it has {item.Choices.Count} choices; a question has at least two.");
            if (item.Answer < 0 || item.Answer >= item.Choices.Count)
                throw new ArgumentException($"{place}: {nameof(item.Answer)} = {item.Answer} is not one of its {item.Choices.Count} choices, counted from 0.");
            var whole = options.Prefix + item.Context;
            var context = whole.TrimEnd();
            int[] before = [.. tokenizer.Tokenizer.EncodeToIds(context)];
            return [.. item.Choices.Select((choice, number) => Encode(context, before, whole[context.Length..] + options.Delimiter + choice, $"{place}, choice {number}"))];
        }

        internal double[] Score(Row[] rows)
        {
            // The last token predicts nothing and is not read.
            var losses = scored.Losses([.. rows.Select(row => new ScoredRow(row.Tokens, 0, row.Tokens.Length - 1, row.From, row.Tokens.Length))]);
            var scores = new double[rows.Length];
            var next = 0;
            foreach (var (index, row) in rows.Index())
            {
                for (var at = row.From; at < row.Tokens.Length; at++)
                    scores[index] -= losses[next++];
                if (double.IsNaN(scores[index]))
                    throw new InvalidOperationException($"{row.Place}: its likelihood is not a number: the model's logits are not finite. Look for weights that are not finite, or a dtype too narrow for the model.");
            }
            return scores;
        }

        private Row Encode(string context, int[] before, string choice, string place)
        {
            int[] all = [.. tokenizer.Tokenizer.EncodeToIds(context + choice)];
            var from = before.Length;
            if (all.Length <= from)
                throw new ArgumentException($"{place}: '{StrictJson.Shown(choice)}' adds no token to its context; give it another delimiter.");
            if (options.PrefixToken is { } prefix)
                (all, from) = ([prefix, .. all], from + 1);
            if (from == 0)
                throw new ArgumentException($"{place}: its context has no token, so nothing predicts the choice's first; give {nameof(MultipleChoiceOptions)}.{nameof(options.PrefixToken)}, such as the end of text.");
            if (Array.Find(all, token => token < 0 || token >= model.VocabSize) is var outside && (outside < 0 || outside >= model.VocabSize))
                throw new ArgumentException($"{place}: the tokenizer gives token {outside}, outside the model's vocabulary of {model.VocabSize}; they do not belong together.");
            // The last token is not read.
            var cut = longest is { } most ? (int)Math.Max(0, all.Length - 1 - most) : 0;
            return cut < from ? new Row(all[cut..], from - cut, cut > 0, place) : throw new ArgumentException($"{place}: the choice alone has {all.Length - from} tokens; the model reads {longest}.");
        }
    }
}

/// <summary>A question that was asked.</summary>
/// <param name="Item">The question.</param>
/// <param name="LogLikelihoods">The sum of log p of the tokens of each choice.</param>
/// <param name="IsCut">Whether the context's beginning was left out because it was too long.</param>
public sealed record MultipleChoiceAnswer(MultipleChoiceItem Item, IReadOnlyList<double> LogLikelihoods, bool IsCut)
{
    /// <summary>Whether the likeliest choice is the right one; the first of equals counts.</summary>
    public bool IsRight => Best(_ => 1) == Item.Answer;

    /// <summary>Whether it is by likelihood for each character (Unicode scalar value).</summary>
    public bool IsRightPerCharacter => Best(choice => choice.EnumerateRunes().Count()) == Item.Answer;

    /// <summary>Whether it is by likelihood for each UTF-8 byte.</summary>
    public bool IsRightPerByte => Best(Encoding.UTF8.GetByteCount) == Item.Answer;

    private int Best(Func<string, int> length)
    {
        var scores = LogLikelihoods.Select((score, index) => score / length(Item.Choices[index])).ToArray();
        return Array.IndexOf(scores, scores.Max());
    }
}

/// <summary>What was answered.</summary>
/// <param name="Answers">Each question with the likelihoods of its choices.</param>
public sealed record MultipleChoiceResult(IReadOnlyList<MultipleChoiceAnswer> Answers)
{
    /// <summary>The share of right answers (acc).</summary>
    public Estimate Accuracy => Estimate.OfShare(Answers.Count(answer => answer.IsRight), Answers.Count, "questions");

    /// <summary>The share by likelihood for each character (acc_norm).</summary>
    public Estimate AccuracyPerCharacter => Estimate.OfShare(Answers.Count(answer => answer.IsRightPerCharacter), Answers.Count, "questions", "likelihood per character");

    /// <summary>The share by likelihood for each UTF-8 byte (acc_bytes).</summary>
    public Estimate AccuracyPerByte => Estimate.OfShare(Answers.Count(answer => answer.IsRightPerByte), Answers.Count, "questions", "likelihood per byte");

    /// <summary>How many contexts lost their beginning.</summary>
    public int CutCount => Answers.Count(answer => answer.IsCut);
}

/// <summary>How answers changed.</summary>
/// <param name="Difference">The share of right answers after less that before, with the error of the paired questions.</param>
/// <param name="GainedCount">Questions that became right.</param>
/// <param name="LostCount">Questions that became wrong.</param>
/// <param name="PValue">How likely as uneven a split of the changed ones would be by chance: the exact two-sided sign test (McNemar).</param>
public sealed record MultipleChoiceComparison(Estimate Difference, int GainedCount, int LostCount, double PValue);
