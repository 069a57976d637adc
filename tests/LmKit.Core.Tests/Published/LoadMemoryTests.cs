using System.Buffers.Binary;
using System.Buffers.Text;
using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

/// <summary>Opening a published folder takes the memory of its weights in the type asked for and little more, whatever its layout and files.</summary>
public sealed class LoadMemoryTests : IDisposable
{
    private const string Gpt2 = """{ "model_type": "gpt2", "vocab_size": 30000, "n_positions": 64, "n_embd": 768, "n_layer": 2, "n_head": 12 }""";
    private const string Neox = """{ "model_type": "gpt_neox", "vocab_size": 30000, "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 2, "num_attention_heads": 12, "max_position_embeddings": 64 }""";
    private const string Phi3 = """{ "model_type": "phi3", "vocab_size": 30000, "hidden_size": 768, "intermediate_size": 2048, "num_hidden_layers": 2, "num_attention_heads": 12, "num_key_value_heads": 12, "max_position_embeddings": 64, "original_max_position_embeddings": 64, "pad_token_id": 0 }""";

    private readonly TemporaryFolder temporary = new();

    public void Dispose() => temporary.Dispose();

    [Theory]
    [InlineData(Gpt2, ScalarType.BFloat16, ScalarType.Float32, false)]
    [InlineData(Gpt2, ScalarType.Float32, ScalarType.Float32, true)]
    [InlineData(Gpt2, ScalarType.BFloat16, ScalarType.Float16, true)]
    [InlineData(Neox, ScalarType.Float32, ScalarType.BFloat16, false)]
    [InlineData(Neox, ScalarType.Float32, ScalarType.Float32, false)]
    [InlineData(Phi3, ScalarType.Float16, ScalarType.Float32, true)]
    public void The_peak_is_at_most_a_tenth_above_the_weights(string config, ScalarType stored, ScalarType loaded, bool isOdd)
    {
        if (!OperatingSystem.IsLinux())
            return;
        Save(config.Replace("30000", "100", StringComparison.Ordinal), temporary["small"], stored, false);
        Save(config, temporary["large"], stored, isOdd);
        var (status, output) = OwnProcess.Run(Measure, temporary["small"], temporary["large"], $"{loaded}");

        Assert.True(status == 0, output);
        var numbers = output.Split(default(char[]), StringSplitOptions.RemoveEmptyEntries).Select(text => double.Parse(text, CultureInfo.InvariantCulture)).ToArray();
        Assert.True(numbers[0] <= 1.1 * numbers[1], $"peak {numbers[0]}, weights {numbers[1]}");
        Assert.True(numbers[0] >= 0.9 * numbers[1], $"peak {numbers[0]}, weights {numbers[1]}"); // the watch saw it
    }

    private static void Measure(string[] arguments)
    {
        set_num_threads(1);
        var type = Enum.Parse<ScalarType>(arguments[2]);
        PublishedModel.Load(arguments[0], dtype: type).Dispose(); // so that compiled code is not counted
        GC.Collect();
        var before = Anonymous();
        var (peak, isOver) = (before, false);
        var watcher = new Thread(() =>
        {
            while (!Volatile.Read(ref isOver))
                peak = Math.Max(peak, Anonymous());
        });
        watcher.Start();
        using var model = PublishedModel.Load(arguments[1], dtype: type);
        peak = Math.Max(peak, Anonymous());
        Volatile.Write(ref isOver, true);
        watcher.Join();
        Console.WriteLine($"{peak - before} {model.Model.parameters().Sum(parameter => parameter.numel() * parameter.element_size())}");
    }

    // Linux's count of pages that no file stands behind: those in memory without the shared ones. Nothing is allocated here.
    private static long Anonymous()
    {
        using var file = File.OpenHandle("/proc/self/statm");
        Span<byte> text = stackalloc byte[256];
        text = text[(text[..RandomAccess.Read(file, text, 0)].IndexOf((byte)' ') + 1)..];
        _ = Utf8Parser.TryParse(text, out long resident, out var length);
        _ = Utf8Parser.TryParse(text[(length + 1)..], out long shared, out _);
        return Environment.SystemPageSize * (resident - shared);
    }

    private static void Save(string config, string folder, ScalarType type, bool isOdd)
    {
        var layout = PublishedLayout.FromJson(config);
        var builder = layout.CreateBuilder();
        builder.Dtype = type;
        using (var model = builder.Build())
            layout.Save(folder, model);
        if (isOdd)
            Shift(Path.Combine(folder, "model.safetensors"));
    }

    // A tensor of one byte at the start, so that no other is aligned; it is a buffer of older files by its name.
    private static void Shift(string path)
    {
        var bytes = File.ReadAllBytes(path);
        var length = (int)BinaryPrimitives.ReadInt64LittleEndian(bytes);
        var header = JsonNode.Parse(Encoding.UTF8.GetString(bytes, 8, length))!.AsObject();
        foreach (var (name, entry) in header.Where(pair => pair.Key != "__metadata__").ToList())
            entry!["data_offsets"] = new JsonArray([.. entry["data_offsets"]!.AsArray().Select(offset => (JsonNode)(offset!.GetValue<long>() + 1))]);
        header["model.rotary_emb.inv_freq"] = JsonNode.Parse("""{ "dtype": "U8", "shape": [1], "data_offsets": [0, 1] }""");
        var text = Encoding.UTF8.GetBytes(header.ToJsonString());
        var prefix = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(prefix, text.Length);
        using var stream = File.Create(path);
        stream.Write(prefix);
        stream.Write(text);
        stream.WriteByte(0);
        stream.Write(bytes.AsSpan(8 + length));
    }
}
