using System.Text.Json;
using System.Text.Json.Nodes;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>What makes a training run this run and no other: its recipe, options, data and model, as names with values.</summary>
/// <remarks>
/// <para>A checkpoint holds it, and every trainer resumes only where all entries are equal. What may differ between a run and its
/// continuation is listed here and nowhere else: where and how often checkpoints are kept (<c>checkpoint_folder</c>,
/// <c>checkpoint_interval</c>, <c>keeps_best</c>), how often and on what the run is evaluated (<c>evaluation_interval</c>, held-out data), what ends it
/// early (<c>patience</c>, <c>min_improvement</c>, <c>max_duration</c>), where it is told of (<c>loss_curve_file</c>), and options that the chosen schedule does not read (see <see cref="AddOptions"/>'s callers: <c>steps</c> with a constant rate).</para>
/// <para>Not thread-safe while entries are added.</para>
/// </remarks>
public sealed class RunIdentity
{
    private const string None = "none";
    private const string Format = "format"; // of a model's configuration, behind the model's name and a point
    private const string Unset = "null";
    private const int ProbeSeed = 20_240_229;

    private static readonly string[] free = ["checkpoint_folder", "checkpoint_interval", "keeps_best", "evaluation_interval", "patience", "min_improvement", "max_duration", "loss_curve_file"];

    private readonly List<string> order = [];
    private readonly Dictionary<string, string> values = new(StringComparer.Ordinal);

    /// <summary>Makes an identity whose first entry says what kind of run it is; runs of different kinds are compared no further.</summary>
    /// <param name="name">The entry's name, such as <c>task</c>.</param>
    /// <param name="kind">The kind, such as <c>next-token</c>.</param>
    public RunIdentity(string name, string kind) => Add(name, kind);

    internal RunIdentity(IEnumerable<KeyValuePair<string, string>> entries)
    {
        foreach (var (name, value) in entries)
            Set(name, value);
    }

    /// <summary>The entries in order, values as JSON scalars.</summary>
    public IReadOnlyList<KeyValuePair<string, string>> Entries => [.. order.Select(name => KeyValuePair.Create(name, values[name]))];

    /// <summary>Adds an entry, or changes the one of that name.</summary>
    /// <param name="name">What errors call it.</param>
    /// <param name="value">A text, number, truth value or null.</param>
    /// <exception cref="ArgumentException">The value is a list or an object.</exception>
    public RunIdentity Add(string name, JsonNode? value)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        if (value is JsonArray or JsonObject)
            throw new ArgumentException($"'{name}' has the value {value.ToJsonString()}; an entry is a text, a number, a truth value or null.", nameof(value));
        Set(name, value?.ToJsonString() ?? Unset);
        return this;
    }

    /// <summary>Adds every option that can change what a run comes to; where and how often it is saved and evaluated is left out.</summary>
    /// <param name="options">An options object (<see cref="OptionsJson"/>).</param>
    /// <param name="prefix">Put before every name.</param>
    /// <param name="except">Members, in snake case, that this run does not read.</param>
    public RunIdentity AddOptions(object options, string prefix = "", IReadOnlyCollection<string>? except = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        foreach (var (name, value) in OptionsJson.Write(options))
        {
            if (!free.Contains(name) && except?.Contains(name) != true)
                Flatten(prefix + name, value);
        }
        return this;
    }

    /// <summary>Adds what a module is: its type, the types of its parameters, and a language model's configuration. Names and shapes of
    /// tensors are compared apart.</summary>
    /// <param name="module">The module.</param>
    /// <param name="name">Its role.</param>
    public RunIdentity AddModule(nn.Module module, string name = "model")
    {
        ArgumentNullException.ThrowIfNull(module);
        Add(name, module.GetType().Name);
        Add($"{name}.dtypes", string.Join(", ", module.parameters().CountBy(parameter => parameter.dtype).OrderBy(pair => pair.Key).Select(pair => $"{pair.Value} {pair.Key}")));
        if (module is LanguageModel model)
            Flatten(name, JsonNode.Parse(model.Config.ToJson()));
        return this;
    }

    /// <summary>Adds a token data set: the hash of its text and tokenizer, its length and its vocabulary.</summary>
    public RunIdentity AddData(TokenDataset data)
    {
        ArgumentNullException.ThrowIfNull(data);
        return Add("data_key", data.Key).Add("data_count", data.Count).Add("data_vocab_size", data.VocabSize);
    }

    /// <summary>Adds data that a function draws: the hash of two draws from a generator of a fixed seed.</summary>
    /// <remarks>A function whose rows do not depend on its generator alone cannot be known again; the entry then says so, and other data is
    /// not noticed.</remarks>
    /// <param name="name">The entry's name.</param>
    /// <param name="draw">Draws rows, which are disposed here.</param>
    public RunIdentity AddRows(string name, Func<Generator, Tensor> draw)
    {
        ArgumentNullException.ThrowIfNull(draw);
        string Probe()
        {
            using var random = new Generator(ProbeSeed);
            using var first = draw(random);
            using var second = draw(random);
            return ContentHash.Of([KeyValuePair.Create("first", first), KeyValuePair.Create("second", second)]);
        }
        var probe = Probe();
        return Add(name, probe == Probe() ? probe : "not drawn from the generator alone");
    }

    /// <summary>Adds all entries of another identity.</summary>
    public RunIdentity AddAll(RunIdentity other)
    {
        ArgumentNullException.ThrowIfNull(other);
        foreach (var name in other.order)
            Set(name, other.values[name]);
        return this;
    }

    /// <summary>Every entry that differs, by name, with both values; only the first one when the runs are of different kinds. An option
    /// that is null and one that an earlier version did not know are the same: neither is set. Of configurations in two formats the format alone
    /// is named.</summary>
    /// <param name="found">The identity in a checkpoint.</param>
    public IReadOnlyList<TensorMismatch> Differences(RunIdentity found)
    {
        ArgumentNullException.ThrowIfNull(found);
        if (order[0] is var kind && Text(kind) != found.Text(kind))
            return [new TensorMismatch(kind, Text(kind), found.Text(kind))];
        string[] wrong = [.. order.Union(found.order).Where(name => values.GetValueOrDefault(name, Unset) != found.values.GetValueOrDefault(name, Unset))];
        string[] configurations = [.. wrong.Where(name => IsOfConfiguration(name) && found.IsOfConfiguration(name)).Select(name => name[..^Format.Length])];
        return [.. wrong
            .Where(name => !configurations.Any(one => name != one + Format && name.StartsWith(one, StringComparison.Ordinal)))
            .Select(name => new TensorMismatch(name, configurations.Contains(name[..^Math.Min(name.Length, Format.Length)]) ? $"{Text(name)} (a run goes on with the version of LmKit that began it)" : Text(name), found.Text(name)))];
    }

    /// <summary>Refuses a checkpoint of another run.</summary>
    /// <param name="source">The checkpoint.</param>
    /// <param name="found">Its identity.</param>
    /// <exception cref="CheckpointMismatchException">An entry differs; names each with both values.</exception>
    public void Check(string source, RunIdentity found)
    {
        if (Differences(found) is { Count: > 0 } wrong)
            throw new CheckpointMismatchException(source, [], [], [], [], wrong);
    }

    private string Text(string name) => !values.TryGetValue(name, out var json) ? None
        : json.StartsWith('"') ? JsonSerializer.Deserialize<string>(json)!
        : json;

    private bool IsOfConfiguration(string name) =>
        name.EndsWith($".{Format}", StringComparison.Ordinal) && values.ContainsKey(name) && values.ContainsKey($"{name[..^Format.Length]}components.count");

    private void Flatten(string name, JsonNode? value)
    {
        if (value is JsonObject members)
        {
            foreach (var (member, inner) in members)
                Flatten($"{name}.{member}", inner);
        }
        else if (value is JsonArray items)
        {
            Add($"{name}.count", items.Count);
            foreach (var (index, item) in items.Index())
                Flatten($"{name}[{index}]", item);
        }
        else
        {
            Set(name, value?.ToJsonString() ?? Unset);
        }
    }

    private void Set(string name, string json)
    {
        if (!values.ContainsKey(name))
            order.Add(name);
        values[name] = json;
    }
}
