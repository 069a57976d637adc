using System.ComponentModel.DataAnnotations;
using System.Runtime.CompilerServices;
using System.Text.Json.Nodes;

namespace LmKit.Core.Tests.Issues;

public class Report09HostileConfigurations
{
    private const string Whole = """{"format":1,"model":{"vocab_size":5,"d_model":4,"n_layer":1},"components":[{"slot":"mixer","kind":"attention","package":"LmKit.Core","layers":[0],"sites":null,"options":{"head_count":2}}]}""";

    [Theory]
    [InlineData("model-config-wrong-InvalidOperationException-405-config.json")]
    [InlineData("model-config-wrong-InvalidOperationException-996-config.json")]
    [InlineData("model-config-wrong-OverflowException-389-config.json")]
    [InlineData("model-config-wrong-OverflowException-941-config.json")]
    public void Files_that_were_found_are_refused_by_place(string name)
    {
        var error = Assert.Throws<ConfigurationException>(() => Build(File.ReadAllText(Hostile(name))));
        Assert.StartsWith("$", error.Path, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("\"kind\":\"attention\"", "\"kind\":\"\\ud800\"", "$.components[0].kind", "surrogate")]
    [InlineData("\"kind\":\"attention\"", "\"\\udfff\":1", "$.components[0]", "surrogate")]
    [InlineData("\"vocab_size\":5", "\"vocab_size\":5,\"vocab_size\":6", "$.model.vocab_size", "twice")]
    [InlineData("\"vocab_size\":5", "\"vocab_size\":9223372036854775808", "$.model.vocab_size", "9223372036854775808")]
    [InlineData("\"vocab_size\":5", "\"vocab_size\":9223372036854775807", "$.model.vocab_size", "9223372036854775807")]
    [InlineData("\"vocab_size\":5", "\"vocab_size\":1e999", "$.model.vocab_size", "1e999")]
    [InlineData("\"layers\":[0]", "\"layers\":[9999999999]", "$.components[0].layers[0]", "9999999999")]
    [InlineData("\"layers\":[0]", "\"layers\":[null]", "$.components[0].layers[0]", "null")]
    [InlineData("\"layers\":[0]", "\"layers\":{}", "$.components[0].layers", "list")]
    [InlineData("\"layers\":[0]", "\"layers\":[0,0]", "$.components[0].layers", "2 layers")]
    [InlineData("\"sites\":null", "\"sites\":[3]", "$.components[0].sites[0]", "3")]
    [InlineData("\"options\":{\"head_count\":2}", "\"options\":[]", "$.components[0].options", "wrong type")]
    [InlineData("\"options\":{\"head_count\":2}", "\"options\":{\"head_count\":1e300}", "$.components[0].options", "head_count")]
    [InlineData("\"format\":1,", "\"format\":1,/* why */", "$", "JSON")]
    [InlineData("\"layers\":[0]", "\"layers\":[0,]", "$.components[0].layers", "JSON")]
    public void A_damaged_configuration_is_refused_by_the_place_of_its_damage(string from, string to, string place, string said)
    {
        Assert.NotNull(ModelConfig.FromJson("\uFEFF" + Whole));
        var error = Assert.Throws<ConfigurationException>(() => Build(Whole.Replace(from, to, StringComparison.Ordinal)));
        Assert.StartsWith(place, error.Path, StringComparison.Ordinal);
        Assert.Contains(said, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("7")]
    [InlineData("")]
    [InlineData("\ud800")]
    [InlineData("{\"a\":")]
    public void What_is_no_object_is_refused(string json) => Assert.Throws<ConfigurationException>(() => ModelConfig.FromJson(json));

    [Fact]
    public void Depth_and_length_are_bounded_and_messages_short()
    {
        Assert.Contains("depth", Assert.Throws<ConfigurationException>(() => ModelConfig.FromJson(new string('[', 100_000))).Message, StringComparison.OrdinalIgnoreCase);
        Assert.Contains("at most", Assert.Throws<ConfigurationException>(() => ModelConfig.FromJson($"{{\"a\":\"{new string('x', 5 << 20)}\"}}")).Message, StringComparison.Ordinal);
        var error = Assert.Throws<ConfigurationException>(() => ModelConfig.FromJson(Whole.Replace("attention", new string('x', 100_000), StringComparison.Ordinal).Replace("mixer", new string('y', 100_000), StringComparison.Ordinal)));
        Assert.InRange(error.Message.Length, 1, 2_100);
    }

    [Theory]
    [InlineData(nameof(Numbers.Big), 1L << 40)]
    [InlineData(nameof(Numbers.Big), long.MinValue)]
    [InlineData(nameof(Numbers.Rate), double.NaN)]
    [InlineData(nameof(Numbers.Rate), -0.0)]
    [InlineData(nameof(Numbers.Free), double.PositiveInfinity)]
    [InlineData(nameof(Numbers.Text), null)]
    [InlineData(nameof(Numbers.Texts), null)]
    [InlineData(nameof(Numbers.Day), (DayOfWeek)9)]
    public void Options_made_in_code_are_refused_by_the_name_of_the_option(string name, object? value)
    {
        OptionsJson.Validate(new Numbers(), "$.here");
        var options = new Numbers();
        typeof(Numbers).GetProperty(name)!.SetValue(options, value);
        Assert.Contains(name, Assert.Throws<ConfigurationException>(() => OptionsJson.Validate(options, "$.here")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Null_options_and_null_entries_are_refused()
    {
        Assert.Equal("$.here", Assert.Throws<ConfigurationException>(() => OptionsJson.Validate(null!, "$.here")).Path);
        Assert.Equal("$.here.texts", Assert.Throws<ConfigurationException>(() => OptionsJson.Validate(new Numbers { Texts = ["a", null!] }, "$.here")).Path);
        Assert.Throws<ConfigurationException>(() => OptionsJson.Read(null!, typeof(Numbers), "$.here"));
        Assert.Throws<ConfigurationException>(() => OptionsJson.Read(JsonNode.Parse("""{"big":1,"big":2}""")!, typeof(Numbers), "$.here"));
        Assert.Throws<ConfigurationException>(() => OptionsJson.Write(new Numbers { Day = (DayOfWeek)9 }));
        Assert.Throws<ConfigurationException>(() => OptionsJson.Write(new Numbers { List = [double.NaN] }));
    }

    [Fact]
    public void A_fault_is_said_of_its_file_once()
    {
        var fault = ConfigurationException.In("/m/config.json", new ConfigurationException("$.a", "wrong"));
        Assert.Equal(("/m/config.json", "$.a", "/m/config.json: $.a: wrong"), (fault.FilePath, fault.Path, fault.Message));
        Assert.Same(fault, ConfigurationException.In("/other", fault));
    }

    private static void Build(string json) => LanguageModel.Build(ModelConfig.FromJson(json), new ComponentRegistry()).Dispose();

    private static string Hostile(string name, [CallerFilePath] string here = "") => Path.Combine(Path.GetDirectoryName(here)!, "..", "Hostile", name);

    public sealed class Numbers
    {
        [Range(0, int.MaxValue)]
        public long Big { get; set; } = 3;

        [Range(0.0, 1.0)]
        public double Rate { get; set; }

        public double Free { get; set; }

        public string Text { get; set; } = "";

        public IReadOnlyList<string> Texts { get; set; } = [];

        public IReadOnlyList<double> List { get; set; } = [];

        public DayOfWeek Day { get; set; }
    }
}
