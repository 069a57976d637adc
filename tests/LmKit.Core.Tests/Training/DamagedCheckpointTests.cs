using System.Text;
using System.Text.Json.Nodes;
using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

/// <summary>Whatever is wrong with the newest checkpoint: alone it is refused by name, beside an older one it is passed over by name.</summary>
public sealed class DamagedCheckpointTests : TrainingScene
{
    private static readonly Dictionary<string, (Action<string> Damage, string Named)> faults = new()
    {
        ["no header"] = (folder => File.Delete(CheckpointSurgery.HeaderFile(folder)), "trainer.json"),
        ["null"] = (folder => Write(folder, "null"), "not a JSON object"),
        ["nothing"] = (folder => Write(folder, ""), "not valid JSON"),
        ["no members"] = (folder => Write(folder, "{}"), "'format'"),
        ["cut"] = (folder => Write(folder, File.ReadAllText(CheckpointSurgery.HeaderFile(folder))[..200]), "trainer.json"),
        ["no Unicode"] = (folder => File.WriteAllBytes(CheckpointSurgery.HeaderFile(folder), [.. "{\"format\": \""u8, 0xff, .. "\"}"u8]), "trainer.json"),
        ["half a letter"] = (folder => Change(folder, header => header["identity"]!["task"] = "X", text => text.Replace("\"X\"", "\"\\ud800\"", StringComparison.Ordinal)), "trainer.json"),
        ["format is text"] = (folder => Change(folder, header => header["format"] = "3"), "'format'"),
        ["step below 0"] = (folder => Change(folder, header => header["step"] = -5), "'step' is -5"),
        ["step of another folder"] = (folder => Change(folder, header => header["step"] = 2147483648), "2147483648"),
        ["step beyond a long"] = (folder => Change(folder, header => header["step"] = JsonNode.Parse("1e99")), "1e99"),
        ["no step"] = (folder => Change(folder, header => header.Remove("step")), "'step'"),
        ["end is a number"] = (folder => Change(folder, header => header["end"] = 99), "'end' is 99"),
        ["end is missing"] = (folder => Change(folder, header => header.Remove("end")), "'end'"),
        ["parts is null"] = (folder => Change(folder, header => header["parts"] = null), "'parts'"),
        ["part outside"] = (folder => Change(folder, header => header["parts"]!["../../outside"] = Hash), "../../outside"),
        ["part from the root"] = (folder => Change(folder, header => header["parts"]!["/etc/passwd"] = Hash), "/etc/passwd"),
        ["part with a long name"] = (folder => Change(folder, header => header["parts"]![new string('x', 5000)] = Hash), "xxx..."),
        ["part with a zero in its name"] = (folder => Change(folder, header => header["parts"]!["mod\0el"] = Hash), "trainer.json"),
        ["a part less"] = (folder => Change(folder, header => header["parts"]!.AsObject().Remove("model.optimizer")), "'model.optimizer'"),
        ["hash is short"] = (folder => Change(folder, header => header["parts"]!["model"] = "00"), "'model'"),
        ["hash of another"] = (folder => Change(folder, header => header["parts"]!["model"] = Hash), "model.safetensors"),
        ["end is a list"] = (folder => Change(folder, header => header["end"] = new JsonArray(1)), "'end'"),
        ["identity is empty"] = (folder => Change(folder, header => header["identity"] = new JsonObject()), "'identity'"),
        ["identity holds a list"] = (folder => Change(folder, header => header["identity"]!["seed"] = new JsonArray(1)), "'seed'"),
        ["identity twice"] = (folder => Change(folder, _ => { }, text => text.Replace("\"seed\":1", "\"seed\":1,\"seed\":1", StringComparison.Ordinal)), "'seed' twice"),
        ["header is a folder"] = (folder =>
        {
            var path = CheckpointSurgery.HeaderFile(folder);
            File.Delete(path);
            Directory.CreateDirectory(path);
        }, "trainer.json"),
        ["a part is missing"] = (folder => File.Delete(Path.Combine(folder, "model.optimizer.safetensors")), "model.optimizer.safetensors"),
        ["a part is cut"] = (folder => File.WriteAllBytes(Path.Combine(folder, "model.safetensors"), File.ReadAllBytes(Path.Combine(folder, "model.safetensors"))[..^7]), "model.safetensors"),
        ["a part is empty"] = (folder => File.WriteAllBytes(Path.Combine(folder, "progress.safetensors"), []), "progress.safetensors"),
        ["a bit is flipped"] = (folder => Flip(Path.Combine(folder, "model.average.safetensors")), "model.average.safetensors"),
        ["NaN in a weight"] = (folder => Poison(folder, "model", "layers.0.mlp.fc1.weight", double.NaN), "model.safetensors: tensor 'layers.0.mlp.fc1.weight'"),
        ["NaN in a weight, signed"] = (folder => Poison(folder, "model", "ln_f.bias", double.NaN, true), "tensor 'ln_f.bias'"),
        ["infinity in a moment"] = (folder => Poison(folder, "model.optimizer", "ln_f.weight.exp_avg_sq", double.PositiveInfinity), "model.optimizer.safetensors: tensor 'ln_f.weight.exp_avg_sq'"),
        ["NaN in an average"] = (folder => Poison(folder, "model.average", "ln_f.weight", double.NaN), "model.average.safetensors: tensor 'ln_f.weight'"),
    };

    private static string Hash => new('0', 64);

    public static TheoryData<string> Faults => [.. faults.Keys];

    [Theory]
    [MemberData(nameof(Faults))]
    public void The_newest_when_damaged_is_reported_and_the_one_before_it_taken(string fault)
    {
        var expected = Train(6, resumes: false);
        Directory.Delete(Checkpoints, recursive: true);
        Train(4, resumes: false);
        var newest = Path.Combine(Checkpoints, "step-00000004");
        faults[fault].Damage(newest);

        using var model = Model();
        using var trainer = Trainer(model);
        Assert.True(trainer.Resume());
        Assert.Equal((2, 2), (trainer.Step, trainer.Resumed!.Step));
        var damaged = Assert.Single(trainer.Resumed.Damaged);
        Assert.Equal(newest, damaged.Folder);
        Assert.Contains(faults[fault].Named, damaged.Reason, StringComparison.Ordinal);
        Assert.Contains(newest, damaged.Reason, StringComparison.Ordinal);

        if (Directory.Exists(Path.Combine(newest, "trainer.json")))
        {
            // Somebody else's folder stands where the header goes: it stays, and saving that step again says so.
            Assert.Contains("trainer.json is a folder", Assert.Throws<IOException>(() => Run(trainer)).Message, StringComparison.Ordinal);
            return;
        }
        Run(trainer); // which writes step 4 anew
        Assert.Equal(expected, Values(model));
        using var again = Model();
        using var last = Trainer(again);
        Assert.True(last.Resume());
        Assert.Equal(6, last.Step);
        Assert.Empty(last.Resumed!.Damaged);
    }

    [Theory]
    [MemberData(nameof(Faults))]
    public void The_only_one_when_damaged_is_refused_and_nothing_is_changed(string fault)
    {
        Train(2, resumes: false);
        var folder = Path.Combine(Checkpoints, "step-00000002");
        faults[fault].Damage(folder);
        using var model = Model();
        var before = Values(model);
        using var trainer = Trainer(model);
        LiveTensors.Unchanged(fault, () =>
        {
            var error = Assert.Throws<CheckpointException>(() => trainer.Resume());
            Assert.StartsWith(folder, error.FilePath, StringComparison.Ordinal);
            Assert.Contains(faults[fault].Named, error.Message, StringComparison.Ordinal);
            Assert.Contains("does not start again", error.Message, StringComparison.Ordinal);
        });
        Assert.Null(trainer.Resumed);
        Assert.Equal(0, trainer.Step);
        Assert.Equal(before, Values(model));
    }

    [Fact]
    public void When_all_are_damaged_the_error_names_them_all()
    {
        Train(4, resumes: false);
        foreach (var folder in Directory.EnumerateDirectories(Checkpoints))
            Write(folder, "{}");
        using var model = Model();
        using var trainer = Trainer(model);
        var error = Assert.Throws<CheckpointException>(() => trainer.Resume());
        Assert.Contains("step-00000002", error.Message, StringComparison.Ordinal);
        Assert.Contains("step-00000004", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("format", 1)]
    [InlineData("format", 2)]
    [InlineData("format", 99)]
    [InlineData("Format", 2)]
    public void Another_version_is_refused_in_words_and_is_no_damage(string member, int format)
    {
        Train(4, resumes: false);
        Write(Path.Combine(Checkpoints, "step-00000004"), new JsonObject { [member] = format, ["step"] = 4, ["parts"] = new JsonArray("model") }.ToJsonString());
        using var model = Model();
        using var trainer = Trainer(model);
        var error = Assert.Throws<CheckpointMismatchException>(() => trainer.Resume());
        Assert.Contains($"found {format}", error.Message, StringComparison.Ordinal);
        Assert.Contains("other versions of LmKit cannot be resumed", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_step_folder_of_somebody_else_is_neither_damage_nor_written_over()
    {
        Train(2, resumes: false);
        var foreign = Directory.CreateDirectory(Path.Combine(Checkpoints, "step-00000004")).FullName;
        File.WriteAllText(Path.Combine(foreign, "notes.txt"), "mine");
        using var model = Model();
        using var trainer = Trainer(model);
        Assert.True(trainer.Resume());
        Assert.Empty(trainer.Resumed!.Damaged);
        Assert.Throws<IOException>(() => trainer.Run());
        Assert.Equal("mine", File.ReadAllText(Path.Combine(foreign, "notes.txt")));
    }

    [Fact]
    public void Moments_that_are_not_finite_are_never_saved()
    {
        using var task = new ConstantPull(ScalarType.Float32, [1], [1e30f], 1);
        using var trainer = new Trainer(task, new() { Steps = 1, MaxGradientNorm = 0, CheckpointFolder = Checkpoints });
        trainer.Run(); // the weight is finite, the square of its gradient is not
        Assert.Contains("'weight.exp_avg_sq' of the model.optimizer", Assert.Throws<TrainingDivergedException>(() => trainer.Save()).Message, StringComparison.Ordinal);
        Assert.False(Directory.Exists(Checkpoints));
    }

    private double[] Train(long steps, bool resumes)
    {
        using var model = Model();
        using var trainer = Trainer(model);
        using var stop = new CancellationTokenSource();
        Assert.Equal(resumes, resumes && trainer.Resume());
        try
        {
            trainer.Run(new Synchronous(step => { if (step.Step == steps) stop.Cancel(); }), stop.Token);
        }
        catch (OperationCanceledException)
        {
            Assert.Equal(steps, trainer.Step);
        }
        return Values(model);
    }

    private Trainer Trainer(LanguageModel model) => new(new LanguageModelTask(model, Data, 16, 2, 1), Options(6, checkpointInterval: 2));

    private static double[] Values(nn.Module module)
    {
        using var scope = NewDisposeScope();
        return [.. module.parameters().SelectMany(parameter => parameter.detach().to(ScalarType.Float64).flatten().data<double>().ToArray())];
    }

    private static void Write(string folder, string header) => File.WriteAllText(CheckpointSurgery.HeaderFile(folder), header);

    private static void Change(string folder, Action<JsonObject> change, Func<string, string>? rewrite = null)
    {
        CheckpointSurgery.ChangeHeader(folder, change);
        if (rewrite is not null)
            Write(folder, rewrite(File.ReadAllText(CheckpointSurgery.HeaderFile(folder), Encoding.UTF8)));
    }

    private static void Flip(string file)
    {
        var bytes = File.ReadAllBytes(file);
        bytes[^9] ^= 1;
        File.WriteAllBytes(file, bytes);
    }

    private static void Poison(string folder, string part, string name, double value, bool signs = false) =>
        CheckpointSurgery.ChangePart(folder, part, tensors => tensors[name].flatten()[0].fill_(value), signs);
}
