using System.Diagnostics;
using System.Diagnostics.Metrics;
using Microsoft.Extensions.AI;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <content>One generation, step by step.</content>
public sealed partial class TextGenerator
{
    // Instruments cost nothing while nobody listens.
    private static readonly Meter Meter = new("LmKit.Core");
    private static readonly Counter<long> TokenCount = Meter.CreateCounter<long>("lmkit.core.generation.tokens", "{token}", "Tokens of generated texts.");
    private static readonly Histogram<double> Duration = Meter.CreateHistogram<double>("lmkit.core.generation.step.duration", "s", "Time of each step of a generation, a token of each of its texts.");

    /// <summary>A batch of texts on its way: each step asks the sampler for a version and tells what is new of it.</summary>
    /// <remarks>Serves one thread at a time.</remarks>
    internal sealed class Run : IDisposable
    {
        private readonly TextGenerator owner;
        private readonly IReadOnlyList<int>[] prompts;
        private readonly Func<int, TokenStream> begin;
        private readonly TokenStream[] streams;
        private readonly bool[] isTold;
        private readonly string[]? shown; // of each row, where versions are shown
        private readonly RowGenerators? generators;
        private readonly Tensor? prompt;
        private readonly IEnumerator<Tensor>? versions;
        private long width;
        private long[]? held; // columns of the last version, which may still change

        /// <summary>Begins a generation; nothing is drawn yet.</summary>
        /// <param name="owner">The generator.</param>
        /// <param name="prompts">The ids of each row, at least one.</param>
        /// <param name="options">How: an entry for each row, or one for all.</param>
        /// <param name="showsVersions">Whether versions that may still change are shown.</param>
        /// <param name="stopTokens">Further ids that end a row.</param>
        /// <param name="special">Texts of ids that the tokenizer does not have; null for none.</param>
        internal Run(TextGenerator owner, IReadOnlyList<int>[] prompts, IReadOnlyList<GenerationOptions?> options, bool showsVersions = false, IReadOnlyList<long>? stopTokens = null, IReadOnlyDictionary<long, string>? special = null)
        {
            ArgumentNullException.ThrowIfNull(options);
            if (options.Count != 1 && options.Count != prompts.Length)
                throw new ArgumentException($"There are options for {options.Count} prompts where there are {prompts.Length}; give each prompt an entry, or one for all.", nameof(options));
            (this.owner, this.prompts) = (owner, prompts);
            GenerationOptions[] own = [.. options.Select(TokenStream.Checked).Select(owner.Knowing)];
            int[] lengths = [.. own.Select(one => one.MaxOutputTokens ?? DefaultLength)];
            var sampler = owner.sampler;
            if (!sampler.IsAppendOnly && lengths.Distinct().Skip(1).Any())
                throw new NotSupportedException($"{nameof(GenerationOptions.MaxOutputTokens)} = {lengths.Min()} and {lengths.Max()} do not fit one batch of {sampler.GetType().Name}, which fills all rows to one length; generate them apart.");
            begin = row => new TokenStream(owner.tokenizer, own[Of(row)].StopSequences ?? [], TokenStream.Ends(owner.tokenizer, own[Of(row)].StopTokens ?? [], sampler.StopTokens, stopTokens ?? []), lengths[Of(row)], special);
            streams = [.. prompts.Select((_, row) => begin(row))];
            isTold = new bool[prompts.Length];
            shown = showsVersions && !sampler.IsAppendOnly ? [.. prompts.Select(_ => "")] : null;
            if (prompts.Length == 0)
                return;
            generators = RowGenerators.OfSeeds(prompts.Select((_, row) => own[Of(row)].Seed is { } seed ? unchecked(seed + (own.Length == 1 ? row : 0)) : System.Random.Shared.NextInt64()));
            prompt = Grid(prompts);
            width = prompt.size(1);
            try
            {
                versions = sampler.Sample(new SampleRequest(prompt, lengths.Max()) { Generators = generators, Rows = Wanted(own) }).GetEnumerator();
            }
            catch
            {
                Dispose();
                throw;
            }

            int Of(int row) => own.Length == 1 ? 0 : row;
        }

        /// <summary>Whether there is nothing more to come.</summary>
        internal bool IsOver => Array.TrueForAll(isTold, told => told);

        /// <summary>What the next version adds; none where it adds nothing that is certain.</summary>
        internal IReadOnlyList<TextUpdate> Step()
        {
            if (Array.TrueForAll(streams, stream => stream.HasEnded))
                return End();
            var start = Stopwatch.GetTimestamp();
            if (!versions!.MoveNext())
                return End();
            using var grid = versions.Current;
            var added = Columns(grid);
            if (Duration.Enabled)
                Duration.Record(Stopwatch.GetElapsedTime(start).TotalSeconds);
            if (owner.sampler.IsAppendOnly)
            {
                width = grid.size(1);
                return Taken(added);
            }
            held = added;
            return shown is null ? [] : Versions(added);
        }

        public void Dispose()
        {
            versions?.Dispose();
            prompt?.Dispose();
            generators?.Dispose();
        }

        private List<TextUpdate> Taken(long[] added)
        {
            var updates = new List<TextUpdate>(streams.Length);
            for (var row = 0; row < streams.Length; row++)
            {
                var text = Text(streams[row], added, row);
                if (text.Length > 0 || (streams[row].HasEnded && !isTold[row]))
                    updates.Add(Told(new TextUpdate(row, text)));
            }
            return updates;
        }

        private List<TextUpdate> Versions(long[] added)
        {
            var updates = new List<TextUpdate>();
            for (var row = 0; row < shown!.Length; row++)
            {
                var draft = begin(row);
                var text = Text(draft, added, row) + draft.Flush();
                if (text == shown[row])
                    continue;
                updates.Add(new TextUpdate(row, text) { Replaces = true });
                shown[row] = text;
            }
            return updates;
        }

        private List<TextUpdate> End()
        {
            var updates = new List<TextUpdate>();
            for (var row = 0; row < streams.Length; row++)
            {
                if (isTold[row])
                    continue;
                var text = (held is null ? "" : Text(streams[row], held, row)) + streams[row].Flush();
                updates.Add(Told(shown is null ? new TextUpdate(row, text) : new TextUpdate(row, text) { Replaces = true }));
            }
            return updates;
        }

        private string Text(TokenStream stream, long[] added, int row)
        {
            var columns = added.Length / streams.Length;
            return columns == 1 ? stream.Add(added[row]) : string.Concat(Enumerable.Range(row * columns, columns).Select(index => stream.Add(added[index])));
        }

        // An update that carries the row's end where it has ended.
        private TextUpdate Told(TextUpdate update)
        {
            if (streams[update.Row] is not { HasEnded: true, FinishReason: var reason, OutputTokenCount: var count })
                return update;
            isTold[update.Row] = true;
            TokenCount.Add(count);
            var read = prompts[update.Row].Count;
            return update with { FinishReason = reason, Usage = new UsageDetails { InputTokenCount = read, OutputTokenCount = count, TotalTokenCount = read + count } };
        }

        private long[] Columns(Tensor grid)
        {
            if (grid.dim() != 2 || grid.size(0) != streams.Length || grid.size(1) < width)
                throw new InvalidOperationException($"{owner.sampler.GetType().Name} gave a grid ({string.Join(", ", grid.shape)}) where at least ({streams.Length}, {width}) stood before.");
            if (grid.size(1) == width)
                return [];
            using var scope = NewDisposeScope();
            return HostValues.Read(grid.narrow(1, width, grid.size(1) - width));
        }

        private SampleOptions?[]? Wanted(GenerationOptions[] own)
        {
            var draws = own.Distinct().ToDictionary(one => one, one => one.Draws());
            if (draws.Values.All(one => one is null))
                return null;
            return prompts.Length == 1 || draws.Values.All(one => one?.Filters is not { Count: > 0 })
                ? [.. own.Select(one => draws[one])]
                : [.. prompts.Select((_, row) => WhileGoingOn(own[own.Length == 1 ? 0 : row].Draws(), streams[row]))];
        }

        // A row whose text is over is still drawn beside the others; its filters, such as a grammar that allows nothing behind its end, are then not asked.
        private static SampleOptions? WhileGoingOn(SampleOptions? draws, TokenStream stream)
        {
            if (draws?.Filters is { Count: > 0 } filters)
                draws.Filters = [.. filters.Select(filter => filter is null ? null! : (LogitFilter)((logits, tokens, promptLength) => stream.HasEnded ? logits : filter(logits, tokens, promptLength)))];
            return draws;
        }

        private static Tensor Grid(IReadOnlyList<int>[] prompts)
        {
            var width = prompts.Max(prompt => prompt.Count);
            var ids = new long[prompts.Length * width];
            Array.Fill(ids, -1);
            for (var row = 0; row < prompts.Length; row++)
            {
                var start = (row + 1) * width - prompts[row].Count;
                for (var index = 0; index < prompts[row].Count; index++)
                    ids[start + index] = prompts[row][index];
            }
            return tensor(ids, [prompts.Length, width]).DetachFromDisposeScope();
        }
    }
}
