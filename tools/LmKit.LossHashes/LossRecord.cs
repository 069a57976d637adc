using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace LmKit.LossHashes;

/// <summary>One program's losses, with all their bits.</summary>
/// <param name="Name">The program.</param>
/// <param name="Command">How a person runs it.</param>
/// <param name="Count">Losses.</param>
/// <param name="Sha256">Hash of the losses' 64-bit patterns, low byte first.</param>
/// <param name="First">The first loss.</param>
/// <param name="Last">The last loss.</param>
/// <param name="FigureCount">Figures that were printed or written.</param>
/// <param name="FigureSha256">Hash of the figures, each with a line feed.</param>
/// <param name="Losses">All losses in full precision, with blanks between.</param>
internal sealed record ProgramRecord(string Name, string Command, int Count, string Sha256, double First, double Last, int FigureCount, string FigureSha256, string Losses)
{
    internal static ProgramRecord Of(ToyProgram program, ToyRun run) => new(
        program.Name,
        program.Command,
        run.Losses.Count,
        HashOf(run.Losses),
        run.Losses is [var first, ..] ? first : 0,
        run.Losses is [.., var last] ? last : 0,
        run.Figures.Count,
        Hash(Encoding.ASCII.GetBytes(string.Concat(run.Figures.Select(figure => figure + "\n")))),
        string.Join(' ', run.Losses.Select(loss => loss.ToString("R", CultureInfo.InvariantCulture))));

    internal static string HashOf(IReadOnlyList<double> losses)
    {
        var bits = new byte[sizeof(double) * losses.Count];
        for (var index = 0; index < losses.Count; index++)
            BinaryPrimitives.WriteDoubleLittleEndian(bits.AsSpan(sizeof(double) * index), losses[index]);
        return Hash(bits);
    }

    internal double[] Values() => [.. Losses.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(loss => double.Parse(loss, CultureInfo.InvariantCulture))];

    private static string Hash(byte[] bytes) => Convert.ToHexStringLower(SHA256.HashData(bytes));
}

/// <summary>The losses of all programs on one machine: the committed file.</summary>
/// <param name="Machine">Where they were recorded.</param>
/// <param name="Documentation">Version of the reference documentation that was trained on.</param>
/// <param name="Programs">The programs.</param>
internal sealed record LossRecord(Machine Machine, string Documentation, IReadOnlyList<ProgramRecord> Programs)
{
    private static readonly JsonSerializerOptions Json = new()
    {
        WriteIndented = true,
        NewLine = "\n",
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        RespectRequiredConstructorParameters = true,
        RespectNullableAnnotations = true,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    };

    /// <exception cref="InvalidDataException">The file is damaged or not there.</exception>
    internal static LossRecord Read(string path)
    {
        try
        {
            return JsonSerializer.Deserialize<LossRecord>(File.ReadAllText(path), Json) ?? throw new InvalidDataException($"{path} holds null.");
        }
        catch (Exception error) when (error is JsonException or IOException)
        {
            throw new InvalidDataException($"{path} is not a record of losses: {error.Message} `record` writes one.", error);
        }
    }

    internal void Write(string path) => File.WriteAllText(path, JsonSerializer.Serialize(this, Json) + "\n");
}
